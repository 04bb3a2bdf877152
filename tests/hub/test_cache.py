"""The cache: huggingface_hub's own layout, written and read by either; which files; names and revisions."""
import json
import os
import shutil
import stat
import subprocess

import pytest

from hub_machine import LINNET, TINY, tiny_files

NEEDED = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}


def files_of(snapshot):
    return {str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if path.is_file()}


def test_pull_writes_blobs_links_refs_and_locks_as_the_package_does(machine, hub):
    commit = hub.add("org/tiny", tiny_files())
    snapshot = machine.pull()
    assert snapshot == machine.repo() / "snapshots" / commit
    assert files_of(snapshot) == NEEDED
    for path in snapshot.iterdir():
        assert os.readlink(path).startswith("../../blobs/") and path.read_bytes() == tiny_files()[path.name]
    assert (machine.repo() / "refs/main").read_text() == commit
    blobs = {path.name for path in (machine.repo() / "blobs").iterdir()}
    assert {path.stem for path in (machine.cache / ".locks/models--org--tiny").iterdir()} == blobs and len(blobs) == 4
    own = machine.home.parent / "package"
    theirs = machine.package("print(snapshot_download('org/tiny', allow_patterns=%r))" % sorted(NEEDED), HF_HOME=str(own))
    repo = own / "hub/models--org--tiny"
    assert os.path.basename(theirs) == commit and {path.name for path in (repo / "blobs").iterdir()} == blobs
    assert {name: os.readlink(repo / "snapshots" / commit / name) for name in NEEDED} == {
        name: os.readlink(snapshot / name) for name in NEEDED}
    for path in [machine.repo() / "blobs" / name for name in blobs]:
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((repo / "blobs" / path.name).stat().st_mode)


def test_the_package_reads_what_linnet_pulled_without_a_network(machine, hub):
    hub.add("org/tiny", tiny_files())
    snapshot = machine.pull()
    before = len(hub.requests)
    print_all = """
print(snapshot_download('org/tiny'))
print(hf_hub_download('org/tiny', 'model.safetensors'))
print(try_to_load_from_cache('org/tiny', 'config.json'))
print(type(try_to_load_from_cache('org/tiny', 'special_tokens_map.json')))
print([(repo.repo_id, len(revision.files)) for repo in scan_cache_dir().repos for revision in repo.revisions], scan_cache_dir().warnings)
"""
    told = machine.package(print_all, HF_HUB_OFFLINE="1").splitlines()
    assert told[:3] == [str(snapshot), f"{snapshot}/model.safetensors", f"{snapshot}/config.json"]
    assert told[3] == "<class 'object'>"  # known not to exist
    assert told[4] == "[('org/tiny', 4)] []" and len(hub.requests) == before


def test_the_package_adds_to_what_linnet_pulled_and_downloads_no_blob_again(machine, hub):
    hub.add("org/tiny", tiny_files())
    machine.pull()
    before = hub.sent("model.safetensors")
    machine.package("snapshot_download('org/tiny')")
    assert hub.sent("model.safetensors") == before > 0 and "README.md" in hub.fetched()
    assert machine.linnet("info", "org/tiny").returncode == 0


def test_linnet_reads_what_the_package_downloaded_without_a_network(machine, hub):
    hub.add("org/tiny", tiny_files())
    theirs = machine.package("print(snapshot_download('org/tiny', ignore_patterns=['*.bin']))")
    before = len(hub.requests)
    assert str(machine.pull(HF_HUB_OFFLINE="1")) == theirs
    done = machine.linnet("run", "org/tiny", stdin=b"hello\n", HF_HUB_OFFLINE="1")
    assert done.returncode == 0 and b"label" in done.stdout and len(hub.requests) == before


def test_linnet_adds_to_what_the_package_downloaded_and_downloads_no_blob_again(machine, hub):
    hub.add("org/tiny", tiny_files())
    machine.package("hf_hub_download('org/tiny', 'model.safetensors')")
    before = hub.sent("model.safetensors")
    assert files_of(machine.pull()) == NEEDED and hub.sent("model.safetensors") == before


def test_a_pulled_model_answers_as_its_directory_does(machine, hub):
    hub.add("org/tiny", tiny_files())
    texts = b"I love you.\nthe film was bad\n"
    assert machine.linnet("run", "org/tiny", stdin=texts).stdout == machine.linnet("run", TINY, stdin=texts).stdout != b""
    assert machine.linnet("tokenize", "org/tiny", stdin=texts).stdout == machine.linnet("tokenize", TINY, stdin=texts).stdout
    info = json.loads(machine.linnet("info", "--json", "org/tiny").stdout)
    assert info["model"] == "org/tiny" and info["architecture"] == "BertForSequenceClassification"


def test_every_command_that_takes_a_model_takes_a_name(machine, hub, tmp_path):
    hub.add("org/tiny", tiny_files(), revision="v1")
    golden = TINY / "golden.jsonl"
    for command in (["bench", "--seconds", "1"], ["quantize", "--output", tmp_path / "int8"], ["verify", "--golden", golden]):
        done = machine.linnet(*command, "org/tiny@v1")
        assert done.returncode == 0, done.stderr.decode()
    assert not (tmp_path / "int8/config.json").is_symlink()
    assert machine.linnet("run", tmp_path / "int8", stdin=b"a\n").returncode == 0


def test_a_name_without_an_owner_is_a_name_and_a_directory_goes_first(machine, hub, tmp_path):
    hub.add("tiny", tiny_files())
    assert machine.pull("tiny").parent.parent == machine.repo("tiny")
    assert machine.linnet("info", "tiny").returncode == 0
    assert machine.linnet("run", "tiny", "-", stdin=b"a\n").returncode == 0
    directory = tmp_path / "here"
    shutil.copytree(TINY, directory / "org/tiny")
    before = len(hub.requests)
    done = subprocess.run([LINNET, "info", "org/tiny"], cwd=directory, capture_output=True, env=machine.environment())
    assert done.returncode == 0 and len(hub.requests) == before


def test_the_second_start_asks_only_for_the_list_of_files(machine, hub):
    hub.add("org/tiny", tiny_files())
    machine.pull()
    before = len(hub.requests)
    machine.pull()
    assert [request.path for request in hub.requests[before:]] == ["/api/models/org/tiny/revision/main"]


def test_a_commit_that_is_cached_is_never_asked_for(machine, hub):
    commit = hub.add("org/tiny", tiny_files())
    machine.pull(f"org/tiny@{commit}")
    before = len(hub.requests)
    machine.pull(f"org/tiny@{commit}")
    assert len(hub.requests) == before and not (machine.repo() / "refs").exists()


def test_a_commit_that_is_cached_in_part_is_completed(machine, hub):
    commit = hub.add("org/tiny", tiny_files())
    for name in sorted(NEEDED - {"tokenizer_config.json"}):
        machine.package(f"hf_hub_download('org/tiny', {name!r}, revision={commit!r})")
    assert files_of(machine.pull(f"org/tiny@{commit}")) == NEEDED


def test_branches_tags_and_pull_requests_are_revisions(machine, hub):
    for revision in ("main", "v1.0", "refs/pr/3", "feature/x"):
        files = {**tiny_files(), "tokenizer_config.json": json.dumps({"revision": revision}).encode()}
        commit = hub.add("org/tiny", files, revision=revision)
        for arguments in ([f"org/tiny@{revision}"], ["org/tiny", "--revision", revision]):
            assert machine.pull(*arguments).name == commit
        assert (machine.repo() / "refs" / revision).read_text() == commit
        assert machine.package(f"print(snapshot_download('org/tiny', revision={revision!r}))", HF_HUB_OFFLINE="1").endswith(commit)
    assert machine.linnet("info", "org/tiny@v1.0", HF_HUB_OFFLINE="1").returncode == 0
    assert machine.linnet("info", "--revision", "v1.0", "org/tiny", HF_HUB_OFFLINE="1").returncode == 0


def test_a_branch_that_moved_is_followed_and_only_what_changed_comes(machine, hub):
    first = hub.add("org/tiny", tiny_files())
    machine.pull()
    second = hub.add("org/tiny", {**tiny_files(), "tokenizer_config.json": b"{}"})
    before = len(hub.requests)
    assert machine.pull().name == second != first
    asked = [request.path for request in hub.requests[before:] if request.method == "GET"]
    assert len(asked) == 2 and asked[1].endswith("tokenizer_config.json")
    assert (machine.repo() / "refs/main").read_text() == second


def test_only_the_files_that_are_needed_come(machine, hub):
    files = {**tiny_files(), "vocab.txt": b"a\n", "model.fp16.safetensors": b"x", "flax_model.msgpack": b"x", "tf_model.h5": b"x",
             "special_tokens_map.json": b"{}", "1_Pooling/config.json": b"{}", "optimizer.bin": b"x"}
    hub.add("org/plain", files)
    assert files_of(machine.pull("org/plain")) == NEEDED | {"special_tokens_map.json", "1_Pooling/config.json"}
    modules = b'[{"path": "", "type": ""}, {"path": "1_Pooling", "type": ""}, {"path": "../other", "type": ""}]'
    hub.add("org/sentence", {**files, "2_Unused/config.json": b"{}", "modules.json": modules, "sentence_bert_config.json": b"{}",
                             "sentence_xlm-roberta_config.json": b"{}", "sentence_other_config.json": b"{}"})
    assert files_of(machine.pull("org/sentence")) == NEEDED | {
        "special_tokens_map.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
        "sentence_xlm-roberta_config.json"}
    pooling = machine.repo("org/sentence") / "snapshots" / hub.repos["org/sentence"].refs["main"] / "1_Pooling/config.json"
    assert os.readlink(pooling).startswith("../../../blobs/")


@pytest.mark.parametrize("folders", [{}, {"2_Dense": "2_Projection", "3_Dense": "9_Out"}], ids=["usual", "other"])
def test_the_folders_that_modules_json_names_come(machine, hub, folders):
    source = TINY.parents[1] / "embeddings/two-dense"
    files = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file() and path.name != "golden.jsonl"}
    for before, after in folders.items():
        files = {name.replace(before, after): data for name, data in files.items()}
        files["modules.json"] = files["modules.json"].replace(before.encode(), after.encode())
    hub.add("org/dense", files)
    assert files_of(machine.pull("org/dense")) == set(files)
    embedded = machine.linnet("run", "org/dense", stdin=b"a\n", HF_HUB_OFFLINE="1")
    assert embedded.returncode == 0 and embedded.stdout == machine.linnet("run", source, stdin=b"a\n").stdout
    commit = hub.repos["org/dense"].refs["main"]
    before = len(hub.requests)
    assert machine.pull("org/dense", "--revision", commit) and len(hub.requests) == before
    weights = machine.repo("org/dense") / "snapshots" / commit / (folders.get("3_Dense", "3_Dense") + "/model.safetensors")
    weights.unlink()
    machine.pull("org/dense", "--revision", commit)
    assert weights.exists()


def test_a_vocabulary_comes_where_there_is_no_tokenizer_json(machine, hub):
    files = {**tiny_files(), "vocab.txt": b"a\n", "added_tokens.json": b"{}"}
    del files["tokenizer.json"]
    hub.add("org/old", files)
    assert files_of(machine.pull("org/old")) == NEEDED - {"tokenizer.json"} | {"vocab.txt", "added_tokens.json"}
    # The line that helps must not write among the blobs, which other commits share.
    line = machine.refusal("info", "org/old")
    assert "has added_tokens.json, which linnet does not read; copy the directory (cp -rL)" in line and line.endswith("save_pretrained('COPY')\"")
    files = {**files, "vocab.json": b"{}", "merges.txt": b""}
    del files["vocab.txt"]
    hub.add("org/bpe", files)
    assert {"vocab.json", "merges.txt"} < files_of(machine.pull("org/bpe"))


def test_a_sharded_model_comes_with_the_shards_that_its_index_names(machine, hub):
    files = {path.name: path.read_bytes() for path in (TINY.parent / "bert-sharded").iterdir() if path.name != "golden.jsonl"}
    hub.add("org/sharded", {**files, "model-00009-of-00003.safetensors": b"stray"})
    assert files_of(machine.pull("org/sharded")) == set(files)
    assert machine.linnet("run", "org/sharded", stdin=b"a\n", HF_HUB_OFFLINE="1").returncode == 0
    shard = "model-00002-of-00003.safetensors"
    (machine.repo("org/sharded") / "snapshots" / hub.repos["org/sharded"].refs["main"] / shard).unlink()
    assert f"{shard} is not in the cache" in machine.refusal("info", "org/sharded", HF_HUB_OFFLINE="1")
    machine.pull("org/sharded")
    assert machine.linnet("info", "org/sharded", HF_HUB_OFFLINE="1").returncode == 0


def test_a_read_only_cache_that_has_everything_serves(machine, hub):
    hub.add("org/tiny", tiny_files())
    machine.pull()
    before = {str(path): path.lstat().st_mtime_ns for path in machine.home.rglob("*")}
    machine.pull()
    assert {str(path): path.lstat().st_mtime_ns for path in machine.home.rglob("*")} == before


@pytest.mark.parametrize("variables, place", [
    ({"HF_HOME": "{}/other"}, "other/hub"), ({"HF_HUB_CACHE": "{}/cache"}, "cache"), ({"HF_HOME": None, "XDG_CACHE_HOME": "{}/xdg"}, "xdg/huggingface/hub"),
    ({"HF_HOME": None, "HOME": "{}/me"}, "me/.cache/huggingface/hub"), ({"HF_HOME": "~/hf", "HOME": "{}/me"}, "me/hf/hub"),
    ({"HUGGINGFACE_HUB_CACHE": "{}/old"}, "old"),
])
def test_the_cache_is_where_the_package_looks_for_it(machine, hub, tmp_path, variables, place):
    hub.add("org/tiny", tiny_files())
    variables = {name: value and value.format(tmp_path) for name, value in variables.items()}
    snapshot = machine.pull(**variables)
    assert snapshot.parents[2] == tmp_path / place
    assert machine.package("print(snapshot_download('org/tiny'))", HF_HUB_OFFLINE="1", **variables) == str(snapshot)


def test_a_blob_that_the_package_keeps_as_a_link_to_its_shared_store_is_used(machine, hub):
    hub.add("org/tiny", tiny_files())
    snapshot = machine.pull()
    blob = (snapshot / "model.safetensors").resolve()
    store = machine.cache / "blobs/ab"
    store.mkdir(parents=True)
    blob.rename(store / "abcd")
    blob.symlink_to(os.path.relpath(store / "abcd", blob.parent))
    before = len(hub.requests)
    machine.pull()
    assert len(hub.requests) == before + 1
    (store / "abcd").unlink()  # the store was emptied: the link leads nowhere
    machine.pull()
    assert machine.linnet("info", "org/tiny", HF_HUB_OFFLINE="1").returncode == 0


def test_without_downloads_the_cache_is_read_and_a_pull_says_what_to_install(machine, hub):
    hub.add("org/tiny", tiny_files())
    assert "libcurl4-openssl-dev" in machine.refusal("pull", "org/tiny")
    machine.package("snapshot_download('org/tiny', ignore_patterns=['*.bin'])")
    done = machine.linnet("info", "org/tiny")
    assert done.returncode == 0 and b"using what the cache has" in done.stderr
    assert machine.linnet("info", "org/tiny", HF_HUB_OFFLINE="1").stderr == b""
