"""Scheduling: the budget of a batch, lanes, and how many threads the machine gives us."""
import json
import os
import resource
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pace import SLOWNESS
from service import LINNET, MODELS, ORIGIN, linnet

pytestmark = pytest.mark.alone
# Under a sanitizer a text takes the embedded model seconds; the threads are the same with a tiny one, of 48 positions.
MODEL = [MODELS / "bert-gelu"] if SLOWNESS > 1 else []
SHORT = json.dumps({"inputs": ["I love you. I like you."] * 8})


class Load:
    """Clients that ask again as soon as they are answered."""

    def __init__(self, server, clients, body=SHORT):
        self.server, self.body, self.stop, self.refused = server, body, threading.Event(), []
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def ask(self):
        connection = self.server.connection()
        while not self.stop.is_set():
            connection.request("POST", "/age", self.body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.read() and response.status != 200:
                self.refused.append(response.status)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert self.refused == []


def budget(server):
    info = server.get("/info").json
    families = text_string_to_metric_families(server.get("/metrics").body.decode())
    gauge = [sample.value for family in families for sample in family.samples if sample.name == "linnet_batch_budget_tokens"]
    state = info["linnet"]["batch_budget"]
    if state["origin"] == "pinned":
        assert gauge == [state["tokens"]] == [info["max_batch_tokens"]]
    return state


def test_an_untouched_server_has_its_precisions_budget(serve):
    assert budget(serve()) == {"tokens": 256, "origin": "starting", "measured": []}


def test_a_pinned_budget_is_shown_and_kept_under_load(serve):
    server = serve("--batch-tokens", 48, "--request-timeout", 600000, *MODEL)
    with Load(server, 8):
        time.sleep(2)
    assert budget(server) == {"tokens": 48, "origin": "pinned", "measured": []}
    largest = [line for line in server.get("/metrics").body.decode().splitlines() if 'linnet_batch_tokens_bucket{le="64"}' in line]
    total = [line for line in server.get("/metrics").body.decode().splitlines() if "linnet_batch_tokens_count" in line]
    assert largest[0].split()[-1] == total[0].split()[-1] != "0"


@pytest.mark.heavy
def test_under_load_the_budget_is_learned_and_under_none_it_is_kept(serve):
    server = serve("--request-timeout", 600000)
    with Load(server, 16):
        end = time.monotonic() + 120
        while (state := budget(server))["origin"] != "learned" or len(state["measured"]) < 3:
            assert time.monotonic() < end, state
            time.sleep(0.2)
    sizes = [size["tokens"] for size in state["measured"]]
    assert sizes == sorted(sizes) and state["tokens"] in sizes and 16 <= state["tokens"] <= 2048
    assert all(size["ns_per_token"] > 0 and 1 <= size["trials"] <= 9 for size in state["measured"])
    state = budget(server)
    for _ in range(50):
        assert server.post("/age", ORIGIN).status == 200
    assert budget(server) == state


def cores_of(**options):
    done = subprocess.run([LINNET, "info", "--json"], capture_output=True, check=True, **options)
    info = json.loads(done.stdout)
    assert info["threads"] == info["cores"]
    return info["cores"]


def test_the_affinity_mask_bounds_the_threads(serve):
    cpus = sorted(os.sched_getaffinity(0))
    assert cores_of() <= len(cpus)
    assert cores_of(preexec_fn=lambda: os.sched_setaffinity(0, cpus[:1])) == 1
    os.sched_setaffinity(0, cpus[:1])
    try:
        own = serve().get("/info").json["linnet"]
    finally:
        os.sched_setaffinity(0, cpus)
    assert (own["lanes"], own["threads_per_lane"]) == (1, 1)


@pytest.fixture
def one_core_group():
    """The file by which a process joins a cgroup with a quota of one core."""
    v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = Path("/sys/fs/cgroup", "" if v2 else "cpu", f"linnet-test-{os.getpid()}")
    quota = {"cpu.max": "100000 100000"} if v2 else {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    if not all((group / name).exists() for name in quota):
        group.rmdir()
        pytest.skip("cgroups have no CPU quota here")
    for name, value in quota.items():
        (group / name).write_text(value)
    yield group / "cgroup.procs"
    group.rmdir()


def test_a_cpu_quota_bounds_the_threads(one_core_group):
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one core anyway")
    assert cores_of(preexec_fn=lambda: one_core_group.write_text(str(os.getpid()))) == 1


def test_two_lanes_share_the_weights_and_give_the_same_bits(serve):
    def packed_kib():
        return json.loads(linnet("info", "--json").stdout)["packed_bytes"] / 1024

    texts = ["word " * length for length in range(1, 45)]
    one, two = (serve("--threads", 2, "--lanes", lanes, "--request-timeout", 600000, *MODEL) for lanes in (1, 2))
    assert two.get("/info").json["linnet"]["lanes"] == 2
    with Load(two, 4):
        time.sleep(1)
    answers = [server.post("/predict", {"inputs": [[text] for text in texts], "raw_scores": True}).body for server in (one, two)]
    assert answers[0] == answers[1]
    if not one.is_sanitized():
        assert two.resident_kib() - one.resident_kib() < packed_kib() / 4


@pytest.mark.heavy
def test_more_threads_than_cores_cost_under_15_percent(tmp_path):
    """In processor time, which neighbours do not change: medians of runs that take turns."""
    cores = len(os.sched_getaffinity(0))
    texts = tmp_path / "texts"
    texts.write_text("".join(f"{'a good film ' * (number % 10 + 1)}\n" for number in range(400)))

    def seconds(threads):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert linnet("run", "--threads", threads, texts).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    runs = [(seconds(cores), seconds(2 * cores)) for _ in range(5)]
    fitting, oversubscribed = (statistics.median(column) for column in zip(*runs))
    print(f"{cores} threads {fitting:.2f} s, {2 * cores} threads {oversubscribed:.2f} s")
    assert oversubscribed < 1.15 * fitting, runs
