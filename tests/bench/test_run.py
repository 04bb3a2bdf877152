"""Whole runs over services that were made up, and what an interrupted run leaves behind."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from compare import contestants, load, plan, processes, progress, run

pytestmark = pytest.mark.alone
ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")
SERVICE = Path(__file__).with_name("fake_service.py")
PLAN = plan.Plan(
    "quick",
    1,
    60,
    1,
    (load.Load("hey-50", "hey, 4 clients", "hey", 4, 40), load.Load("mixed", "wrk", "wrk", 2, 1, mixed=True)),
)

needs_load = pytest.mark.skipif(
    not (shutil.which("hey") and shutil.which("wrk")), reason="no hey or no wrk (tools/setup bench)"
)


class Fake(contestants.Contestant):
    language, precision = "Python", "fp32"

    def __init__(self, kind):
        self.key, self.title, self.kind = kind, kind, kind

    def prepare(self, settings, run_command, log):
        if self.kind == "absent":
            raise contestants.Unavailable("there is no such thing")

    def command(self, settings, port):
        if self.kind == "refuses":
            return [sys.executable, "-c", "import sys; sys.exit('precision int8: not known; fp32 is')"]
        return [sys.executable, SERVICE, port, self.kind]

    def disk(self, settings):
        return [SERVICE]


def finished(kinds, directory):
    settings = contestants.Settings(ROOT / "models/sst2-minilm", "cpu", BUILD, directory)
    made = run.Run(settings, [Fake(kind) for kind in kinds], PLAN, progress.Progress(io.StringIO()))
    made.prepare()
    made.rounds()
    return made.results


@needs_load
def test_a_service_that_fails_is_reported_and_the_rest_goes_on(tmp_path):
    results = finished(["good", "absent", "refuses", "differs", "dies", "fails"], tmp_path)
    states = {key: (state["status"], state.get("reason", "")) for key, state in results["contestants"].items()}
    assert states["good"] == ("measured", "")
    assert states["absent"] == ("failed", "there is no such thing")
    assert states["refuses"][0] == "failed" and "precision int8: not known; fp32 is" in states["refuses"][1]
    assert (
        states["differs"][0] == "failed"
        and "answers differ: a score by 0.01, its bound is 1e-05" in states["differs"][1]
    )
    assert states["dies"][0] == "failed"
    assert states["fails"] == ("measured", "")
    measured = {(m["contestant"], m["load"]) for m in results["measurements"]}
    assert measured == {(who, what) for who in ("good", "fails") for what in ("hey-50", "mixed", "start")}, (
        "what differs is not timed"
    )
    assert processes.running == {}


@needs_load
def test_failures_count_against_the_service_that_gave_them(tmp_path):
    results = finished(["good", "fails"], tmp_path)
    (good,) = [m["result"] for m in results["measurements"] if (m["contestant"], m["load"]) == ("good", "hey-50")]
    (fails,) = [m["result"] for m in results["measurements"] if (m["contestant"], m["load"]) == ("fails", "hey-50")]
    assert (good["successes"], good["failures"]) == (40, 0)
    assert fails["failures"] >= 15 and fails["successes"] + fails["failures"] == 40
    assert fails["rate"] == pytest.approx(fails["successes"] / fails["total"])


@needs_load
def test_raw_outputs_are_kept(tmp_path):
    finished(["good"], tmp_path)
    assert "[200]\t40 responses" in (tmp_path / "good.1.hey-50.txt").read_text()
    assert (tmp_path / "results.json").is_file()


def test_a_process_that_is_stopped_takes_its_children_along(tmp_path):
    script = "import subprocess, sys, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    with (tmp_path / "log").open("wb") as log:
        process = processes.start([sys.executable, "-c", script], log)
        while len(processes.tree(process.pid)) < 2:
            time.sleep(0.02)
        members = processes.tree(process.pid)
        processes.stop(process)
    assert not [pid for pid in members if is_running(pid)]


@pytest.fixture
def in_a_shells_background():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_generator_that_hangs_is_interrupted(tmp_path, in_a_shells_background):
    with (tmp_path / "log").open("wb") as log:
        process = processes.start(["sleep", "600"], log)
        seconds, _, in_time = processes.finish(process, 0.3, lambda taken: None)
    assert not in_time and seconds < 10 and processes.running == {}


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_load
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process_behind(tmp_path, number):
    command = [
        sys.executable,
        "-m",
        "compare",
        "--contestants",
        "linnet",
        "--model",
        ROOT / "models/sst2-minilm",
        "--build",
        BUILD,
        "--output",
        tmp_path / "run",
    ]
    bench = subprocess.Popen(
        list(map(str, command)), env={**os.environ, "PYTHONPATH": str(ROOT / "bench")}, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 300
    while not list((tmp_path / "run").glob("linnet.1.hey-*.txt")):  # a load has begun
        assert bench.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    members = processes.tree(bench.pid)
    assert len(members) >= 2
    bench.send_signal(number)
    said = bench.communicate(timeout=300)[1].decode()
    assert bench.returncode == (-number if number == signal.SIGKILL else 130), said
    end = time.monotonic() + 60
    while left := [pid for pid in members if is_running(pid)]:
        assert time.monotonic() < end, f"{left} outlived the run"
        time.sleep(0.05)
