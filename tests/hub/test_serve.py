"""A user's view: serve a name; what is seen while it comes."""
import http.client
import json
import os
import re
import signal
import subprocess
import time
import urllib.request

from pathlib import Path

import pytest

from hub_machine import LINNET, large_files, tiny_files
from fake_hub import etag_of
from pace import SLOWNESS
from terminal import on_terminal

WEIGHTS = "model.safetensors"


class Serving:
    def __init__(self, machine, log, *arguments):
        self.log = log
        self.process = subprocess.Popen([LINNET, "serve", "--port", "0", *arguments], stdout=log.open("wb"), stderr=subprocess.STDOUT,
                                        env=machine.environment())
        self.port = int(self.await_log(r"listening on http://127.0.0.1:(\d+)")[1])

    def await_log(self, pattern, seconds=300):
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log.read_text())):
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.005)
        return found

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.status, response.getheader("Retry-After"), json.loads(response.read())
        connection.close()
        return answer

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)


def test_serve_listens_while_the_model_comes_and_then_serves_it(machine, hub, tmp_path):
    files = tiny_files()
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", times=1, bytes_a_second=70000)
    serving = Serving(machine, tmp_path / "log", "org/tiny")
    status, retry, body = serving.ask("GET", "/health")
    assert (status, retry) == (503, "1") and "load" in json.dumps(body)
    assert serving.ask("POST", "/age", {"inputs": "a"})[0] == 503
    serving.await_log("org/tiny is ready after")
    assert serving.ask("GET", "/health")[0] == 200
    assert serving.ask("POST", "/age", {"inputs": "a"})[0] == 200
    assert serving.ask("GET", "/info")[2]["model_id"] == "org/tiny"
    assert "org/tiny: downloading 0.1 MiB" in serving.log.read_text()
    assert serving.end() == 0
    again = Serving(machine, tmp_path / "again", "org/tiny@main")
    again.await_log("is ready after")
    assert hub.sent(WEIGHTS) == len(files[WEIGHTS]) and again.end() == 0


def test_docs_tell_models_that_are_on_their_way_from_those_that_cannot_come(machine, hub, tmp_path):
    hub.add("org/tiny", tiny_files())
    hub.fault(WEIGHTS, place="storage", times=1, bytes_a_second=70000)
    serving = Serving(machine, tmp_path / "log", "--allow-missing", f"gone={tmp_path}", "slow=org/tiny")

    def said(name):
        with urllib.request.urlopen(f"http://127.0.0.1:{serving.port}/docs") as response:
            return re.search(f"/models/{name}</a> ([^<]*)", response.read().decode())[1]

    assert said("slow") == "loading"
    serving.await_log("slow is ready after")
    assert (said("slow"), said("gone")) == ("text-classification", "not there") and serving.end() == 0


def test_a_server_told_to_stop_while_the_model_comes_stops_and_keeps_what_came(machine, hub, tmp_path):
    files = large_files()
    hub.add("org/tiny", files)
    hub.fault(WEIGHTS, place="storage", bytes_a_second=1 << 20)
    serving = Serving(machine, tmp_path / "log", "org/tiny")
    partial = machine.repo() / "blobs" / (etag_of(WEIGHTS, files[WEIGHTS]) + ".incomplete")
    while not (partial.exists() and partial.stat().st_size):
        time.sleep(0.01)
    begin = time.monotonic()
    assert serving.end() == 0 and time.monotonic() - begin < 5 * SLOWNESS and partial.exists()


def test_a_name_that_cannot_be_had_ends_the_server_with_one_line(machine, hub, tmp_path):
    done = machine.linnet("serve", "--port", "0", "org/none")
    assert done.returncode == 1 and b"listening on" in done.stdout
    assert done.stderr.startswith(b"linnet: org/none: no such directory, and the Hub has no such model") and done.stderr.count(b"\n") == 1


def test_a_model_that_only_python_can_serve_is_handed_on_by_its_name(machine, hub):
    files = tiny_files()
    del files[WEIGHTS]
    hub.add("org/pickle", files)
    done = machine.linnet("serve", "--port", "0", "--python", "/nowhere/python3", "org/pickle")
    assert done.returncode == 1
    assert b"org/pickle has only pytorch_model.bin" in done.stderr and b"falling back to the Python engine" in done.stderr


def test_progress_is_drawn_on_a_terminal(machine, hub):
    hub.add("org/tiny", large_files())
    hub.fault(WEIGHTS, place="storage", bytes_a_second=8 << 20)
    status, out, drawn = on_terminal([LINNET, "pull", "org/tiny"], env=machine.environment())
    assert status == 0 and out.startswith(str(machine.repo()).encode())
    shares = [int(share) for share in re.findall(rb"model.safetensors  \[[#.]{24}\] +(\d+) %", drawn)]
    assert len(shares) > 2 and shares == sorted(shares) and b" of 6.0 MiB" in drawn and b"MiB/s" in drawn and b"ETA 0:0" in drawn
    assert drawn.rstrip().endswith(b"s") and b"6.0 MiB came in" in drawn.rpartition(b"\r\x1b[K")[2]


@pytest.fixture(scope="module")
def torch_python():
    python = Path(os.environ.get("LINNET_TORCH_VENV", Path.home() / ".cache/linnet/torch-venv")) / "bin/python"
    if not python.is_file():
        pytest.skip(f"no virtual environment with transformers and torch in {python.parents[1]} (LINNET_TORCH_VENV)")
    return python


@pytest.mark.heavy
@pytest.mark.transformers
def test_transformers_loads_what_linnet_pulled_without_a_network_and_both_say_the_same(machine, hub, torch_python):
    hub.add("org/tiny", tiny_files(), revision="v1")
    machine.pull("org/tiny@v1")
    program = "import json, torch\nfrom transformers import pipeline\n" \
        "pipe = pipeline('text-classification', 'org/tiny', revision='v1', dtype=torch.float32)\nprint(json.dumps(pipe('I love you.')[0]))"
    done = subprocess.run([torch_python, "-c", program], capture_output=True, env=machine.environment(HF_HUB_OFFLINE="1"))
    assert done.returncode == 0, done.stderr.decode()
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = json.loads(machine.linnet("run", "org/tiny@v1", stdin=b"I love you.\n", HF_HUB_OFFLINE="1").stdout)
    assert ours["label"] == theirs["label"] and abs(ours["score"] - theirs["score"]) < 1e-5


@pytest.mark.heavy
@pytest.mark.transformers
def test_the_python_engine_serves_a_revision_of_a_name(machine, hub, torch_python, tmp_path):
    hub.add("org/tiny", tiny_files(), revision="v1")
    serving = Serving(machine, tmp_path / "log", "--engine", "python", "--python", str(torch_python), "org/tiny@v1")
    serving.await_log("org/tiny is ready after")  # its worker says the same of itself, earlier
    assert serving.ask("POST", "/age", {"inputs": "a"})[0] == 200
    assert (machine.repo() / "refs/v1").exists() and serving.end() == 0
