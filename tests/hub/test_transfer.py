"""Bytes on their way: breaks, kills, damage, two at once, full disks."""
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hub_machine import LINNET, large_files, tiny_files
from fake_hub import etag_of
from pace import SLOWNESS

pytestmark = pytest.mark.alone
SIZE = 6 << 20
WEIGHTS = "model.safetensors"


def partial(machine, files, name="org/tiny"):
    return machine.repo(name) / "blobs" / (etag_of(WEIGHTS, files[WEIGHTS]) + ".incomplete")


def await_bytes(path, count, process, seconds=120):
    end = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_size >= count):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)


def is_right(machine, files, name="org/tiny"):
    blob = machine.repo(name) / "blobs" / etag_of(WEIGHTS, files[WEIGHTS])
    return blob.read_bytes() == files[WEIGHTS] and not list(blob.parent.glob("*.incomplete"))


def test_a_connection_that_breaks_is_gone_on_with_where_it_broke(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=2, cut_after=2 << 20)
    machine.pull()
    assert is_right(machine, files) and SIZE <= hub.sent(WEIGHTS) < SIZE + 100000
    ranges = [request.headers.get("range") for request in hub.requests if request.place == "storage"]
    assert ranges[0] is None and len(ranges) == 3 and all(text.startswith("bytes=") for text in ranges[1:])


def test_a_small_file_that_breaks_is_asked_for_on_condition_that_it_is_the_same(machine, hub):
    hub.add("org/tiny", {**tiny_files(), "tokenizer.json": b"x" * 100000})
    hub.fault("tokenizer.json", method="GET", times=1, cut_after=40000)
    machine.pull()
    second = [request for request in hub.requests if request.method == "GET" and request.path.endswith("tokenizer.json")][1]
    assert second.headers["if-range"] == f'"{etag_of("tokenizer.json", b"x" * 100000)}"' and second.status == 206


def test_a_killed_pull_is_resumed_by_the_next(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=1, bytes_a_second=2 << 20)
    process = machine.start("pull", "org/tiny")
    await_bytes(partial(machine, files), 1 << 20, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = partial(machine, files).stat().st_size
    machine.pull()
    assert is_right(machine, files) and kept >= 1 << 20 and hub.requests[-1].sent == SIZE - kept


def test_what_an_older_package_left_half_done_is_gone_on_with(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    partial(machine, files).parent.mkdir(parents=True)
    partial(machine, files).write_bytes(files[WEIGHTS][:5 << 20])
    machine.pull()
    assert is_right(machine, files) and hub.sent(WEIGHTS) == SIZE - (5 << 20)


@pytest.mark.parametrize("left", [b"rubbish" * 1000, b"\0" * SIZE, b"\0" * (SIZE + 1)], ids=["part", "whole", "more"])
def test_a_damaged_beginning_is_noticed_and_thrown_away(machine, hub, left):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    partial(machine, files).parent.mkdir(parents=True)
    partial(machine, files).write_bytes(left)
    machine.pull()
    assert is_right(machine, files) and SIZE <= hub.sent(WEIGHTS) <= 2 * SIZE


def test_a_server_without_ranges_is_read_from_the_start_again(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=1, cut_after=2 << 20, no_ranges=True)
    hub.fault(WEIGHTS, place="storage", no_ranges=True)
    machine.pull()
    assert is_right(machine, files)


def test_a_part_that_is_another_than_was_asked_for_is_not_taken(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    partial(machine, files).parent.mkdir(parents=True)
    partial(machine, files).write_bytes(files[WEIGHTS][:1 << 20])
    hub.fault(WEIGHTS, place="storage", times=1, headers={"Content-Range": f"bytes 0-{SIZE - (1 << 20) - 1}/{SIZE}"})
    assert "asked for the bytes from 1048576, got those from 0" in machine.refusal("pull", "org/tiny")
    machine.pull()
    assert is_right(machine, files)


def test_a_size_that_nobody_tells_is_learnt_from_the_bytes(machine, hub):
    files = tiny_files()
    hub.add("org/tiny", files)
    hub.fault("config.json", method="HEAD", headers={"Content-Length": None})
    hub.fault("config.json", method="GET", times=1, headers={"Content-Length": None, "Transfer-Encoding": "chunked"},
              change=lambda body: b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    hub.fault("tokenizer.json", method="HEAD", headers={"Content-Length": None})
    snapshot = machine.pull()
    assert all((snapshot / name).read_bytes() == files[name] for name in ("config.json", "tokenizer.json"))


def test_etags_of_a_mirror_that_are_no_hashes_name_the_blobs(machine, hub):
    hub.add("org/tiny", tiny_files())
    hub.fault("config.json", headers={"ETag": 'W/"5f-18c"'})
    assert (machine.pull() / "config.json").resolve().name == "5f-18c"


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_bytes_that_differ_from_their_hash_never_get_its_name(machine, hub, name):
    files = tiny_files()
    hub.add("org/tiny", files)
    hub.fault(name, method="GET", change=lambda body: body[:-1] + bytes([body[-1] ^ 1]) if body else body)
    line = machine.refusal("pull", "org/tiny")
    assert f"org/tiny/{name} came damaged: its hash is" in line and etag_of(name, files[name]) in line and "try again" in line
    assert not list((machine.repo() / "blobs").glob(etag_of(name, files[name]) + "*"))
    assert not (machine.repo() / "refs/main").exists()
    hub.faults.clear()
    machine.pull()


def test_a_size_that_is_not_the_announced_one_is_refused(machine, hub):
    hub.add("org/tiny", tiny_files())
    hub.fault(WEIGHTS, method="HEAD", headers={"X-Linked-Size": 1000})
    assert "it has 105064 bytes, want 1000" in machine.refusal("pull", "org/tiny")
    hub.add("org/other", tiny_files())
    hub.fault("config.json", method="GET", headers={"Content-Length": 5000})
    assert "it has 5000 bytes, want 802" in machine.refusal("pull", "org/other")


def test_passing_problems_of_the_hub_are_waited_out(machine, hub):
    hub.add("org/tiny", tiny_files())
    hub.fault("/revision/", times=1, status=503)
    hub.fault("config.json", times=1, method="HEAD", status=500)
    hub.fault("tokenizer.json", times=1, method="GET", status=429, headers={"Retry-After": 1})
    hub.fault(WEIGHTS, times=1, place="storage", status=403)  # a signed address that ran out
    begin = time.monotonic()
    machine.pull()
    assert time.monotonic() - begin > 1 + 3 * 0.5


def test_a_server_that_falls_silent_is_given_up(machine, hub):
    hub.add("org/tiny", tiny_files())
    hub.fault("/revision/", silent=True)
    begin = time.monotonic()
    line = machine.refusal("pull", "org/tiny", HF_HUB_ETAG_TIMEOUT="1")
    assert "1 bytes/sec" in line and "org/tiny: the Hub cannot be asked" in line and time.monotonic() - begin < 10 * SLOWNESS


def test_a_transfer_that_stalls_is_taken_up_again(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=1, silent=True)
    machine.pull(HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert is_right(machine, files)


def test_two_pulls_at_once_download_each_byte_once(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", bytes_a_second=4 << 20)
    processes = [machine.start("pull", "org/tiny") for _ in range(4)]
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    assert len({out for out, _ in told}) == 1 and is_right(machine, files) and hub.sent(WEIGHTS) == SIZE
    assert any(b"waiting for another process that downloads" in err for _, err in told)


def test_one_that_waits_takes_over_from_one_that_is_killed(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=1, bytes_a_second=1 << 20)
    first = machine.start("pull", "org/tiny")
    await_bytes(partial(machine, files), 1 << 20, first)
    second = machine.start("pull", "org/tiny")
    time.sleep(0.5)
    first.kill()
    first.communicate()
    assert second.communicate(timeout=300) and second.returncode == 0
    assert is_right(machine, files) and hub.sent(WEIGHTS) < 2 * SIZE


def test_linnet_and_the_package_at_once_make_one_sound_cache(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", bytes_a_second=6 << 20)
    process = machine.start("pull", "org/tiny")
    theirs = machine.package("print(snapshot_download('org/tiny', ignore_patterns=['*.bin']))")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and out.decode().rstrip("\n") == theirs, err
    assert is_right(machine, files)


def test_a_blob_that_the_package_is_downloading_is_waited_for(machine, hub):
    import fcntl

    files = tiny_files()
    hub.add("org/tiny", files)
    lock = machine.cache / ".locks/models--org--tiny" / (etag_of(WEIGHTS, files[WEIGHTS]) + ".lock")
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = machine.start("pull", "org/tiny")
        time.sleep(1)
        assert process.poll() is None and WEIGHTS not in str(hub.fetched())
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and b"waiting for another process" in err


def limit_files(count):
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))


def test_a_file_that_may_not_grow_is_an_error_and_what_came_is_kept(machine, hub):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    done = subprocess.run([LINNET, "pull", "org/tiny"], capture_output=True, env=machine.environment(), preexec_fn=lambda: limit_files(2 << 20))
    line = done.stderr.decode().splitlines()[-1]
    assert done.returncode == 1 and "no room to write" in line and "HF_HOME" in line, done.stderr
    assert partial(machine, files).stat().st_size == 2 << 20
    machine.pull()
    assert is_right(machine, files) and hub.sent(WEIGHTS) < 2 * SIZE


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_without_room_is_named_before_the_weights_come(machine, hub, small_disk):
    hub.add("org/tiny", large_files(SIZE))
    line = machine.refusal("pull", "org/tiny", HF_HOME=str(small_disk))
    assert "org/tiny needs 6.0 MiB in" in line and "4.0 MiB are free" in line and "HF_HOME" in line and hub.sent(WEIGHTS) == 0


def test_a_disk_that_fills_up_meanwhile_is_an_error_and_the_rest_comes_later(machine, hub, small_disk):
    files = large_files(3 << 20)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=1, bytes_a_second=1 << 20)
    process = machine.start("pull", "org/tiny", HF_HOME=str(small_disk))
    repo = small_disk / "hub/models--org--tiny"
    await_bytes(repo / "blobs" / (etag_of(WEIGHTS, files[WEIGHTS]) + ".incomplete"), 1 << 20, process)
    filler = small_disk / "filler"
    try:
        filler.write_bytes(b"x" * (3 << 20))
    except OSError:
        pass
    err = process.communicate(timeout=300)[1].decode().splitlines()[-1]
    assert process.returncode == 1 and "no room to write" in err and "No space left" in err
    filler.unlink()
    machine.pull(HF_HOME=str(small_disk))
    assert hashlib.sha256((repo / "snapshots" / hub.repos["org/tiny"].refs["main"] / WEIGHTS).read_bytes()).hexdigest() == etag_of(WEIGHTS, files[WEIGHTS])


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everywhere, and there is no setpriv")
def test_a_cache_that_may_not_be_written_is_named(machine, hub):
    hub.add("org/tiny", tiny_files())
    machine.home.mkdir()
    machine.home.chmod(0o555)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.geteuid() == 0 else []
    done = subprocess.run([*drop, LINNET, "pull", "org/tiny"], capture_output=True, env=machine.environment())
    line = done.stderr.decode().splitlines()[-1]
    assert done.returncode == 1 and "the model cache (HF_HOME names another place): making" in line and "Permission denied" in line


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    maps = subprocess.run(["ldd", LINNET], capture_output=True, text=True).stdout
    if "libasan" in maps or "libtsan" in maps:
        pytest.skip("a sanitizer does not let a library be loaded before it")
    library = tmp_path_factory.mktemp("refusing") / "refusing.so"
    subprocess.run(["cc", "-shared", "-fPIC", Path(__file__).with_name("refusing.c"), "-o", library], check=True)
    return str(library)


def test_a_file_system_without_locks_is_used_with_files_of_ones_own(machine, hub, refusing):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", bytes_a_second=12 << 20)
    processes = [machine.start("pull", "org/tiny", LD_PRELOAD=refusing, REFUSE="flock") for _ in range(2)]
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert is_right(machine, files)


def test_locks_that_everybody_gets_do_no_harm(machine, hub, refusing):
    files = large_files(SIZE)
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", bytes_a_second=8 << 20)
    processes = []
    for _ in range(3):
        processes.append(machine.start("pull", "org/tiny", LD_PRELOAD=refusing))
        time.sleep(0.2)
    told = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, told
    assert is_right(machine, files)


def test_a_file_system_without_symbolic_links_has_the_files_themselves(machine, hub, refusing):
    hub.add("org/tiny", tiny_files())
    snapshot = machine.pull(LD_PRELOAD=refusing, REFUSE="symlink")
    assert not (snapshot / WEIGHTS).is_symlink() and (snapshot / WEIGHTS).read_bytes() == tiny_files()[WEIGHTS]
    before = len(hub.requests)
    assert machine.pull() == snapshot and len(hub.requests) == before + 1
    assert machine.package("print(snapshot_download('org/tiny'))", HF_HUB_OFFLINE="1") == str(snapshot)
