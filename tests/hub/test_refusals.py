"""What cannot be had: one line that says what to do. And what a server must not be able to do."""
import json
import re
import shutil
import subprocess

import pytest

from hub_machine import Machine, tiny_files
from fake_hub import FakeHub, Repo

WEIGHTS = "model.safetensors"
COMMANDS = [["pull", "org/{}"], ["info", "org/{}"], ["run", "org/{}"], ["tokenize", "org/{}"], ["serve", "--port", "0", "--engine", "native", "org/{}"]]


@pytest.fixture
def hub(hub):
    hub.add("org/tiny", tiny_files())
    hub.add("org/private", tiny_files(), token="hf_good")
    hub.add("org/gated", tiny_files(), token="hf_good", gated=True)
    return hub


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_every_command_says_in_one_line_that_there_is_no_such_model(machine, hub, command):
    done = machine.linnet(*[word.format("none") for word in command])
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1 and len(lines) == 1, lines
    assert re.match(r"linnet: org/none: no such directory, and the Hub has no such model or keeps it private \(401, Repository not found\); "
                    r"check the name, or set HF_TOKEN", lines[0])


def test_a_model_that_no_token_finds_is_not_there(machine, hub):
    line = machine.refusal("pull", "org/none", HF_TOKEN="hf_good")
    assert f"org/none: no such directory, and the Hub ({hub.endpoint}) has no such model; check the name" in line


def test_a_private_model_comes_with_the_right_token_only(machine, hub):
    assert "keeps it private (401" in machine.refusal("pull", "org/private")
    assert "no such model; check the name" in machine.refusal("pull", "org/private", HF_TOKEN="hf_other")
    assert machine.pull("org/private", HF_TOKEN=" hf_good\n").exists()


def test_a_token_that_the_hub_refuses_is_named_by_where_it_is_from(machine, hub):
    line = machine.refusal("pull", "org/tiny", HF_TOKEN="hf_invalid")
    assert "the Hub refuses the token from HF_TOKEN (401, Invalid credentials in Authorization header)" in line
    assert f"{hub.endpoint}/settings/tokens" in line and "hf_invalid" not in line
    machine.home.mkdir()
    (machine.home / "token").write_text("hf_invalid\n")
    assert f"the Hub refuses the token from {machine.home}/token (401" in machine.refusal("pull", "org/tiny")


def test_a_gated_model_says_where_its_conditions_are(machine, hub):
    line = machine.refusal("pull", "org/gated")
    assert f"org/gated is gated: accept its conditions at {hub.endpoint}/org/gated, then set HF_TOKEN" in line
    line = machine.refusal("pull", "org/gated", HF_TOKEN="hf_other")
    assert "use a token of the account that did; the one now is from HF_TOKEN" in line
    assert machine.pull("org/gated", HF_TOKEN="hf_good").exists()


def test_a_token_is_read_from_where_the_package_reads_it(machine, hub, tmp_path):
    machine.home.mkdir()
    (machine.home / "token").write_text("hf_good\n")
    machine.pull("org/private")
    (machine.home / "token").unlink()
    shutil.rmtree(machine.cache)
    (tmp_path / "secret").write_text("hf_good")
    machine.pull("org/private", HF_TOKEN_PATH=str(tmp_path / "secret"))
    shutil.rmtree(machine.cache)
    machine.pull("org/private", HUGGING_FACE_HUB_TOKEN="hf_good")
    shutil.rmtree(machine.cache)
    machine.refusal("pull", "org/private", HF_TOKEN="hf_good", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")


def test_a_token_goes_to_the_endpoint_and_nowhere_else(machine, hub):
    machine.pull("org/private", HF_TOKEN="hf_good")
    assert {request.place for request in hub.requests} == {"hub", "storage"}
    for request in hub.requests:
        assert request.headers.get("authorization") == ("Bearer hf_good" if request.place == "hub" else None)


def test_a_token_follows_a_model_that_was_renamed(machine, hub):
    hub.repos["org/old"] = hub.repos["org/private"]
    for old, new in (("/api/models/org/old/", "/api/models/org/private/"), ("/org/old/", "/org/private/")):
        commit = hub.repos["org/private"].refs["main"]
        for path in ("revision/main", *(f"resolve/{commit}/{name}" for name in tiny_files())):
            hub.fault(old + path, place="hub", status=307, headers={"Location": new + path})
    snapshot = machine.pull("org/old", HF_TOKEN="hf_good")
    assert snapshot.parents[1] == machine.repo("org/old") and (snapshot / WEIGHTS).exists()


def test_a_revision_that_is_not_there_is_named(machine, hub):
    line = machine.refusal("pull", "org/tiny@v9")
    assert f'org/tiny has no revision "v9"; its branches and tags are listed at {hub.endpoint}/org/tiny' in line
    machine.pull()
    assert 'has no revision "v9"' in machine.refusal("info", "org/tiny", "--revision", "v9")


def test_a_file_that_is_listed_and_not_there_is_named(machine, hub):
    hub.fault(WEIGHTS, method="HEAD", status=404, headers={"X-Error-Code": "EntryNotFound"})
    assert f'org/tiny has no {WEIGHTS} at revision "main"' in machine.refusal("pull", "org/tiny")


@pytest.mark.parametrize("status, words", [(429, "takes no more requests for now (429); try again later, or set HF_TOKEN"),
                                           (503, "has a problem of its own (503)"), (418, "answers 418, want 200; is HF_ENDPOINT right?")])
def test_a_hub_that_does_not_answer_well_is_named(machine, hub, status, words):
    hub.fault("/api/", status=status, headers={"Retry-After": 0})
    assert words in machine.refusal("pull", "org/tiny")


def test_a_cache_that_has_the_model_serves_while_the_hub_is_not_to_be_asked(machine, hub):
    machine.pull("org/gated", HF_TOKEN="hf_good")
    for more in ({"HF_ENDPOINT": "http://localhost:9"}, {"HF_ENDPOINT": "http://no-such-host.invalid"}, {}, {"HF_TOKEN": "hf_invalid"}):
        done = machine.linnet("info", "org/gated", **more)
        assert done.returncode == 0 and b"using what the cache has, commit " in done.stderr, done.stderr
    hub.fault("/api/", status=503)
    assert machine.linnet("info", "org/gated", HF_TOKEN="hf_good").returncode == 0


@pytest.mark.parametrize("endpoint, words", [("http://localhost:9", "Couldn't connect|Failed to connect"), ("http://no-such-host.invalid", "Could not resolve")])
def test_no_network_is_one_line(machine, hub, endpoint, words):
    done = machine.linnet("pull", "org/tiny", HF_ENDPOINT=endpoint)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1 and len(lines) == 1
    assert re.match(f"linnet: org/tiny: the Hub cannot be asked: {endpoint}: .*({words}).*; check the network, or set https_proxy", lines[0]), lines


def test_offline_and_not_cached_says_how_to_get_it(machine, hub):
    for value in ("1", "true", "ON", "yes"):
        line = machine.refusal("info", "org/tiny", HF_HUB_OFFLINE=value)
        assert f'org/tiny: no such directory, and revision "main" of that name is not in the cache ({machine.cache})' in line
        assert "HF_HUB_OFFLINE is set: unset it, or run linnet pull" in line
    assert "TRANSFORMERS_OFFLINE is set: unset it" in machine.refusal("info", "org/tiny", TRANSFORMERS_OFFLINE="1")
    assert hub.requests == []
    assert machine.linnet("info", "org/tiny", HF_HUB_OFFLINE="0").returncode == 0


def test_offline_with_half_a_model_names_what_is_missing(machine, hub):
    machine.package("hf_hub_download('org/tiny', 'config.json')")
    line = machine.refusal("info", "org/tiny", HF_HUB_OFFLINE="1")
    assert "is not in the cache" in line or "has no tokenizer.json" in line, line


def test_a_model_with_only_a_pickle_is_refused_with_the_line_that_converts_it(machine, hub):
    files = tiny_files()
    del files[WEIGHTS]
    hub.add("org/pickle", files)
    line = machine.refusal("pull", "org/pickle")
    assert "org/pickle has only pytorch_model.bin" in line and "M.from_pretrained('org/pickle').save_pretrained('./model')" in line
    assert hub.fetched() == [] and not machine.home.exists()
    machine.package("snapshot_download('org/pickle')")
    assert "org/pickle has only pytorch_model.bin" in machine.refusal("info", "org/pickle", HF_HUB_OFFLINE="1")


@pytest.mark.parametrize("missing, words", [
    ("config.json", "has no config.json: it is no model of transformers"),
    ("tokenizer.json", "has no tokenizer.json and no vocabulary that linnet reads"),
    (WEIGHTS, "has no model.safetensors and no model.safetensors.index.json"),
])
def test_a_repository_that_is_no_model_is_refused_before_anything_comes(machine, hub, missing, words):
    hub.add("org/other", {name: data for name, data in tiny_files().items() if name not in (missing, "pytorch_model.bin")})
    assert f"org/other {words}" in machine.refusal("pull", "org/other") and hub.fetched() == []


@pytest.mark.parametrize("name", ["a/b/c", "../x", "a//b", "-a/b", "a/b-", "a--b/c", "a/b..c", "a/b.git", "x" * 97, "a b/c", "a/", "@x", ""])
def test_what_is_no_name_is_a_usage_error(machine, hub, name):
    assert "is no model name, want owner/name" in machine.refusal("pull", "--", name, code=2)
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["../../x", "a..b", "/x", "x/", "a b", "a\nb", "x" * 300, "", "a//b", ".x", "a/.b", "a?b"])
def test_what_is_no_revision_is_a_usage_error(machine, hub, revision):
    assert "is no revision, want a branch, a tag or a commit" in machine.refusal("pull", "org/tiny@" + revision, code=2)
    assert hub.requests == []


def test_other_wrong_command_lines(machine, hub):
    assert "the revision is given twice" in machine.refusal("pull", "org/tiny@a", "--revision", "b", code=2)
    assert "pull wants the NAME of a model" in machine.refusal("pull", code=2)
    assert "--revision is for a name at the Hub" in machine.refusal("info", str(machine.home.parent), "--revision", "v1", code=2)
    assert "no such model directory and no such file" in machine.refusal("run", "tiny")
    for variable, value, words in (("HF_ENDPOINT", "ftp://x", 'HF_ENDPOINT is "ftp://x", want http:// or https://'),
                                   ("HF_ENDPOINT", "http://a@b", "HF_ENDPOINT"), ("HF_TOKEN", "a\nb", "the token in HF_TOKEN has a character"),
                                   ("HF_HUB_ETAG_TIMEOUT", "soon", "HF_HUB_ETAG_TIMEOUT is \"soon\", want seconds")):
        assert words in machine.refusal("pull", "org/tiny", code=2, **{variable: value})


# --- What a server must not be able to do

@pytest.mark.parametrize("shard", ["../../../evil", "/tmp/evil", "..", ".evil", "a/b", "a\0b", "", "a\\b", 5])
def test_an_index_cannot_lead_out_of_its_directory(machine, hub, shard):
    files = {name: data for name, data in tiny_files().items() if name != WEIGHTS}
    files["model.safetensors.index.json"] = json.dumps({"weight_map": {"x": shard}}).encode()
    hub.add("org/evil", {**files, str(shard): b"evil"})
    line = machine.refusal("pull", "org/evil")
    assert "weight_map names" in line and "want the name of a file in the same directory" in line


def test_an_index_that_names_a_file_that_is_not_there_is_refused(machine, hub):
    files = {name: data for name, data in tiny_files().items() if name != WEIGHTS}
    files["model.safetensors.index.json"] = json.dumps({"weight_map": {"x": "gone.safetensors"}}).encode()
    hub.add("org/evil", files)
    assert "names gone.safetensors, which the repository does not have" in machine.refusal("pull", "org/evil")


@pytest.mark.parametrize("header, value", [("ETag", '"../../../evil"'), ("ETag", '"/tmp/evil"'), ("ETag", '""'), ("ETag", '"..":'), ("ETag", '"' + "a" * 5000 + '"'),
                                           ("ETag", None), ("X-Repo-Commit", "../../evil"), ("X-Repo-Commit", None)])
def test_an_etag_or_a_commit_cannot_name_a_place(machine, hub, header, value):
    hub.fault("config.json", method="HEAD", headers={header: value})
    line = machine.refusal("pull", "org/tiny")
    assert f"does not answer as the Hub does for org/tiny/config.json: no {header} that can be used" in line
    assert not list(machine.home.parent.rglob("*evil*"))


@pytest.mark.parametrize("body, words", [
    (b"{", "does not answer as the Hub does: "), (b'{"sha": "../../evil", "siblings": []}', "no \"sha\" of a commit"),
    (b'{"sha": 5, "siblings": []}', "no \"sha\" of a commit"), (b"<html>a captive portal</html>", "is HF_ENDPOINT right?"),
    (b"[" * 10000, "does not answer as the Hub does"), (b" " * (33 << 20), "is not as announced"),
])
def test_a_listing_that_is_none_is_refused(machine, hub, body, words):
    hub.fault("/api/", headers={"Content-Length": len(body)}, change=lambda _: body)
    assert words in machine.refusal("pull", "org/tiny")
    assert len(hub.requests) == 1


def test_redirects_that_go_round_or_elsewhere_are_not_followed(machine, hub):
    hub.fault("/api/", times=1, status=302, headers={"Location": "file:///etc/passwd"})
    assert "which linnet does not follow" in machine.refusal("pull", "org/tiny")
    hub.fault("/api/", status=302, headers={"Location": "/api/models/org/tiny/revision/main"})
    assert "redirects more than 10 times" in machine.refusal("pull", "org/tiny")


def test_more_bytes_than_announced_are_not_written(machine, hub):
    hub.fault(WEIGHTS, place="storage", headers={"Content-Length": None, "Transfer-Encoding": "chunked"},
              change=lambda body: b"".join(b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20)) for _ in range(20)))
    assert "more than the 105064 bytes that were announced" in machine.refusal("pull", "org/tiny")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate")
    place = tmp_path_factory.mktemp("certificate")
    key, file = place / "key.pem", place / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", file,
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return file, key


def test_a_certificate_that_nobody_vouches_for_is_refused_and_one_that_is_named_taken(tmp_path, certificate):
    hub = FakeHub(certificate)
    hub.add("org/tiny", tiny_files(), token="hf_good")
    machine = Machine(tmp_path / "home", hub)
    line = machine.refusal("pull", "org/tiny", HF_TOKEN="hf_good")
    assert "certificate" in line and "set SSL_CERT_FILE to the authorities that your network uses" in line
    assert hub.requests == []
    assert machine.pull(HF_TOKEN="hf_good", SSL_CERT_FILE=str(certificate[0])).exists()
    plain = FakeHub()
    hub.fault("/api/", status=302, headers={"Location": plain.endpoint + "/api/models/org/tiny/revision/main"})
    plain.repos["org/tiny"] = Repo({"a" * 40: tiny_files()}, {"main": "a" * 40})
    shutil.rmtree(machine.home)
    assert "which linnet does not follow" in machine.refusal("pull", "org/tiny", HF_TOKEN="hf_good", SSL_CERT_FILE=str(certificate[0]))
    assert plain.requests == []
    hub.close()
    plain.close()
