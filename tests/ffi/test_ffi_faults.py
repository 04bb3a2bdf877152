"""What goes wrong in a worker stays there: under load, only the requests that name a fault fail."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from ffi_server import LINNET, SCRIPT, Load, processes, wait_until
from pace import SLOWNESS

pytestmark = pytest.mark.alone
OPTIONS = ("--python", sys.executable, "--worker-script", SCRIPT, "--worker-timeout", "1500")


@pytest.fixture
def server(start):
    return start(*OPTIONS)


ENDINGS = {
    "exit": "the Python worker exited with status 3",
    "segfault": "the Python worker was killed by signal 11",
    "out of memory": "the Python worker was killed by signal 9",
    "junk": "the Python worker was killed by signal 9",
    "close": "the Python worker was killed by signal 9",
}


@pytest.mark.parametrize("fault", ENDINGS)
def test_a_request_that_ends_the_worker_twice_gets_an_error_that_says_how_and_no_other_request_fails(server, fault):
    with Load(server) as load:
        answer = server.ask(fault)
    assert answer.status == 500
    assert answer.json["error_type"] == "worker"
    assert ENDINGS[fault] in answer.json["error"] and "two Python workers in turn" in answer.json["error"]
    assert load.wrong == []
    assert server.metric("linnet_worker_restarts_total") >= 2
    assert wait_until(lambda: server.state() == "ok")


def test_an_input_that_fails_in_a_later_part_of_a_split_list_is_named(start):
    server = start("--python", sys.executable, "--worker-script", SCRIPT, "--task", "text-classification",
                   "--max-client-batch-size", "2")
    answer = server.ask([["x" * 3000], ["a"], ["b"], ["raise"]], path="/predict")
    assert answer.status == 424 and "inputs[3]" in answer.json["error"] and "this text is bad" in answer.json["error"]


@pytest.mark.parametrize("fault", ["hang", "hang with the GIL"])
def test_a_request_that_hangs_past_the_timeout_gets_an_error_and_no_other_request_fails(server, fault):
    with Load(server) as load:
        answer = server.ask(fault)
    assert answer.status == 500 and "gave no answer in time" in answer.json["error"]
    assert load.wrong == []


def test_a_lone_request_that_hangs_is_not_tried_again(server):
    begin = time.monotonic()
    answer = server.ask("hang")
    assert answer.json["error"].startswith("after 1500 ms: the Python worker gave no answer in time")
    assert time.monotonic() - begin < 2.9 * SLOWNESS


def test_a_worker_that_is_killed_from_outside_costs_no_request(server):
    with Load(server) as load:
        for deaths in range(1, 4):
            os.kill(server.workers()[0], signal.SIGKILL)
            wait_until(lambda: server.metric("linnet_worker_restarts_total") == deaths)
            before = load.answered
            wait_until(lambda: load.answered > before + 20)
    assert load.wrong == []


RAISES = {
    "raise": (500, "python", "RuntimeError: this text is bad"),
    "sys.exit": (500, "python", "SystemExit: enough"),
    "no JSON": (500, "python", "TypeError: a result holds a object, which JSON lacks"),
    "not finite": (500, "non_finite", "the result is NaN or infinite"),
    "one too few": (500, "python", "RuntimeError: predict() returned 0 results for 1 inputs"),
}


@pytest.mark.parametrize("fault", RAISES)
def test_an_exception_is_named_in_the_answer_and_costs_no_other_request(server, fault):
    status, kind, message = RAISES[fault]
    with Load(server) as load:
        answer = server.ask(fault)
    assert (answer.status, answer.json["error_type"]) == (status, kind)
    assert answer.json["error"].startswith(message)
    assert load.wrong == []
    assert server.metric("linnet_worker_restarts_total") == 0


def test_a_traceback_is_in_the_log_and_not_in_the_answer(server):
    answer = server.ask("raise")
    assert "Traceback" not in answer.text and "faulty_script.py" not in answer.text
    assert "Traceback" in server.text() and "faulty_script.py" in server.text()
    request_id = re.search(r"request id (\w+)", answer.json["error"])[1]
    assert request_id in server.text()


def test_the_guilty_input_of_a_list_is_named_by_its_place(server):
    answer = server.ask(["good", "raise", "fine"])
    assert answer.status == 500 and answer.json["error"].startswith("inputs[1]: RuntimeError")


def test_what_python_and_extensions_print_goes_to_the_log_and_harms_no_answer(server):
    with Load(server) as load:
        answers = [server.ask("print") for _ in range(5)]
    assert all(answer.json["text"] == "print" for answer in answers)
    assert load.wrong == []
    for line in ("load() prints", "print() prints", "write() prints"):
        assert line in server.text()


def test_a_worker_that_leaks_is_replaced_and_no_request_fails(start):
    server = start(*OPTIONS, "--worker-max-memory", "100")
    before = server.workers()
    with Load(server) as load:
        for _ in range(40):
            assert server.ask("leak").status == 200
        wait_until(lambda: server.metric("linnet_worker_restarts_total") > 0)
    assert load.wrong == []
    assert server.workers() != before
    assert "over --worker-max-memory 100" in server.text()


def test_an_idle_worker_that_dies_is_replaced_without_a_request(server):
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: server.workers() not in ([], before) and server.state() == "ok")
    assert server.metric("linnet_worker_restarts_total") == 1


def test_health_says_degraded_while_a_worker_starts_anew(server):
    states = set()
    os.kill(server.workers()[0], signal.SIGKILL)

    def seen():
        answer = server.request("GET", "/health")
        states.add((answer.status, answer.json["status"]))
        return (200, "degraded") in states and (200, "ok") in states

    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end, states
    assert server.ask("text").status == 200


def test_requests_are_refused_with_503_while_no_worker_can_start_and_answered_again_after(start, tmp_path):
    flag = tmp_path / "broken"
    server = start(*OPTIONS, variables={"FAULTY_SCRIPT_BROKEN": str(flag)})
    assert server.ask("text").status == 200
    flag.touch()
    os.kill(server.workers()[0], signal.SIGKILL)
    wait_until(lambda: server.request("GET", "/health").status == 503)
    assert server.state() == "degraded"
    answer = server.ask("text")
    assert answer.status == 503 and int(answer.fields["Retry-After"]) >= 1
    assert "the flag file is there" in answer.json["error"]
    flag.unlink()
    wait_until(lambda: server.state() == "ok", 30)
    assert server.ask("text").status == 200


def test_of_two_workers_one_goes_on_while_the_other_hangs(start):
    server = start(*OPTIONS, "--workers", "2")
    assert len(server.workers()) == 2
    with Load(server, clients=2) as load:
        begin = time.monotonic()
        hanging = server.ask_meanwhile("hang")
        time.sleep(0.5)
        before = load.answered
        wait_until(lambda: load.answered > before + 10, 1, "an answer while one worker hangs")
        assert hanging().status == 500
    assert load.wrong == []


@pytest.mark.parametrize("state", ["idle", "hang", "hang with the GIL"])
def test_no_worker_survives_kill_9_of_the_server(start, state):
    server = start("--python", sys.executable, "--worker-script", SCRIPT)
    workers = server.workers()
    assert len(workers) == 1
    if state != "idle":
        answer = server.ask_meanwhile(state)
        time.sleep(0.3)
    server.signal(signal.SIGKILL)
    server.process.wait()
    wait_until(lambda: not set(workers) & set(processes()), 5, "the workers' end")
    if state != "idle":
        assert isinstance(answer(), OSError)


def test_sigterm_answers_what_is_under_way_and_takes_the_workers_along(start):
    server = start(*OPTIONS)
    with Load(server, clients=1):
        pass
    slow = server.ask_meanwhile("slow")
    time.sleep(0.2)
    server.stop()
    assert slow().json["text"] == "slow"


def test_a_server_whose_worker_hangs_ends_within_its_drain_timeout(start):
    server = start("--python", sys.executable, "--worker-script", SCRIPT, "--drain-timeout", "500")
    server.ask_meanwhile("hang")
    time.sleep(0.3)
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 5 * SLOWNESS


def test_sigterm_while_the_worker_loads_ends_it(start, tmp_path):
    script = tmp_path / "slow_start.py"
    script.write_text("import time\ndef load(): time.sleep(1000)\ndef predict(batch): return batch\n")
    server = start("--python", sys.executable, "--worker-script", script, ready=False)
    wait_until(server.workers)
    assert server.state() == "loading"
    server.stop()


def test_frames_of_the_worker_start_only_by_linnet(tmp_path):
    worker = LINNET.parent / "linnet-pyworker"
    if not worker.is_file():
        pytest.skip("linnet-pyworker is not built: no Python headers")
    done = subprocess.run([worker], capture_output=True, text=True)
    assert done.returncode == 2 and "started by linnet serve" in done.stderr
