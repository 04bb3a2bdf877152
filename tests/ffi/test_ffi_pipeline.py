"""What the Python engine does around a pipeline, with packages of transformers' and torch's shape in a venv made on the spot:
answers, batches, options, and errors at start that say what to do. test_ffi_transformers.py asks the real ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ffi_server import LINNET, SCRIPT, environment, wait_until

WORKER = LINNET.parent / "linnet-pyworker"


def write_model(directory, **config):
    directory.mkdir()
    values = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b"}}
    (directory / "config.json").write_text(json.dumps({**values, **config}))
    return directory


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def serve(start, fake_venv, model):
    def start_model(*options, **keywords):
        return start("--engine", "python", "--python", fake_venv / "bin/python3", *options, model, **keywords)

    return start_model


@pytest.fixture
def fail(fake_venv):
    """The one line with which a start fails."""

    def run(*options, python=fake_venv / "bin/python3", variables=None):
        python_options = ["--python", python] if python else []
        done = subprocess.run(
            [LINNET, "serve", "--port", "0", "--engine", "python", *python_options, *options],
            capture_output=True, text=True, timeout=300, env=environment(variables),
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith("linnet: ")]
        assert done.returncode in (1, 2) and len(lines) == 1, (done.returncode, done.stderr)
        return lines[0]

    return run


def one(text, batch=1):
    return {"label": text, "score": len(text) / 64, "batch": batch}


SHAPES = [
    ("a string", "abc", {}, [one("abc")]),
    ("a string with top_k", "abc", {"top_k": None}, [one("abc")]),
    ("a list of one", ["abc"], {}, [one("abc")]),
    ("a list", ["abc", "abd"], {}, [one("abc", 2), one("abd", 2)]),
    ("a list with top_k", ["abc", "abd"], {"top_k": 1}, [[one("abc", 2)], [one("abd", 2)]]),
    ("an empty string", "", {}, [one("")]),
]


@pytest.mark.parametrize("name, inputs, parameters, result", SHAPES, ids=[shape[0] for shape in SHAPES])
def test_an_answer_has_the_shape_that_the_pipeline_returns(serve, name, inputs, parameters, result):
    server = serve()
    assert server.ask(inputs, **parameters).json == result
    assert server.ask(inputs, path="/age", **parameters).json == result


def test_auto_truncate_asks_for_truncation_where_the_request_does_not_say(serve):
    server = serve("--auto-truncate")
    asked = [{**one("abc"), "truncation": True}]
    assert server.ask("abc").json == asked
    assert server.ask("abc", top_k=None).json == asked
    assert server.ask("abc", truncation=False).json == [{**one("abc"), "truncation": False}]
    assert server.ask("abc", max_length=5).json == [one("abc")]


def test_predict_answers_in_its_own_form(serve):
    server = serve()
    row = [one("abc")]
    assert server.ask("abc", path="/predict").json == row
    assert server.ask([["abc"]], path="/predict").json == [row]
    pair = server.ask(["abc", "d"], path="/predict").json
    assert pair[0]["label"] == {"text": "abc", "text_pair": "d"}


def test_other_tasks_are_answered_at_the_root_only(serve):
    server = serve("--task", "feature-extraction")
    assert server.ask(["abc", "de"]).json == [[[[3.0]]], [[[2.0]]]]
    for path, status in (("/age", 422), ("/predict", 424)):  # as each dialect says that a model is not one for it
        answer = server.ask("abc", path=path)
        assert answer.status == status and "feature-extraction" in answer.json["error"]


def test_a_task_that_is_not_known_to_batch_gets_its_inputs_whole(serve):
    server = serve("--task", "text-generation")
    assert server.ask("abc").json == one("abc")
    assert server.ask(["abc", "de"]).json == [one("abc"), one("de")]


def test_requests_that_wait_share_a_call_only_with_equal_parameters_and_similar_length(start, fake_venv, tmp_path):
    server = start("--python", fake_venv / "bin/python3", "--worker-script", SCRIPT)
    computing = tmp_path / "computing"
    held = server.ask_meanwhile(f"hold {computing}")
    wait_until(computing.exists)
    texts = ["text one", "text two", "text six", "a text that is more than twice as long as the others here"]
    waiting = [server.ask_meanwhile(text) for text in texts]
    wait_until(lambda: server.metric("linnet_queue_items") == 4)
    other = server.ask_meanwhile(["text ten", "text two"], k=1)
    wait_until(lambda: server.metric("linnet_queue_items") == 6)
    computing.unlink()
    answers = {answer.json["text"]: answer.json for answer in (wait() for wait in waiting)}
    assert [answers[text]["batch"] for text in texts] == [3, 3, 3, 1]
    others = other().json
    assert [item["batch"] for item in others] == [2, 2] and others[0]["k"] == 1
    assert held().json["batch"] == 1


def test_batch_size_bounds_what_one_call_takes(serve):
    server = serve("--batch-size", "3")
    assert [item["batch"] for item in server.ask(["abc"] * 7).json] == [3, 3, 3, 3, 3, 3, 1]
    server = serve("--batch-size", "1")
    assert [item["batch"] for item in server.ask(["abc"] * 3).json] == [1, 1, 1]


def test_only_the_guilty_item_of_a_batch_fails(serve):
    server = serve()
    answer = server.ask(["abc", "raise"])
    assert answer.status == 500 and answer.json["error"].startswith("inputs[1]: RuntimeError: cannot compute raise")
    assert server.metric("linnet_worker_restarts_total") == 0


def test_parameters_that_are_not_a_requests_to_set_are_refused(serve):
    server = serve()
    for name in ("batch_size", "num_workers"):
        answer = server.ask("abc", **{name: 64})
        assert answer.status == 422 and name in answer.json["error"]


WRONG = {
    "no inputs": ({"parameters": {}}, 422, "inputs"),
    "an empty list": ({"inputs": []}, 422, "empty list"),
    "a number": ({"inputs": 5}, 422, "ValueError"),
    "parameters that are a list": ({"inputs": "a", "parameters": []}, 422, "parameters"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(serve, name):
    body, status, words = WRONG[name]
    answer = serve().request("POST", "/", json.dumps(body))
    assert answer.status == status and words in answer.json["error"]


def test_text_comes_back_as_it_was_sent(serve):
    text = "naïve 北京 \U0001f600 \x00 \" \\ \u2028"
    assert serve().ask(text).json == [one(text)]


def test_info_and_metrics_tell_of_the_python_engine(serve, fake_venv):
    server = serve("--workers", "2")
    server.ask("abc")
    info = server.request("GET", "/info").json
    assert info["linnet"]["engine"] == "python" and str(fake_venv) in info["linnet"]["python"]
    assert info["model_type"]["classifier"]["id2label"] == {"0": "a", "1": "b"}
    assert server.metric("linnet_workers") == 2 and server.metric("linnet_workers_ready") == 2
    for part in ("queue", "ffi", "python"):
        assert server.metric(f"linnet_{part}_duration_seconds_count") == 1


# --- Which Python, and how


@pytest.mark.skipif(not WORKER.is_file(), reason="linnet-pyworker is not built: no Python headers")
def test_a_venv_of_the_workers_python_is_embedded(serve):
    built = subprocess.run([WORKER, "--python-version"], capture_output=True, text=True, check=True).stdout.strip()
    if built != "%d.%d" % sys.version_info[:2]:
        pytest.skip(f"linnet-pyworker was built for Python {built}, the tests run on another")
    assert serve().request("GET", "/info").json["linnet"]["python"].endswith(", embedded")


def test_without_linnet_pyworker_the_interpreter_itself_serves_and_says_so(serve, tmp_path):
    alone = tmp_path / "bin" / "linnet"
    alone.parent.mkdir()
    shutil.copy(LINNET, alone)
    server = serve(executable=alone, variables={"PATH": "/usr/bin:/bin"})
    said = server.request("GET", "/info").json["linnet"]["python"]
    assert "not embedded: there is no linnet-pyworker" in said
    assert said.partition(" on ")[2] in server.text()
    assert server.ask("abc").json == [one("abc")]


def other_pythons():
    found = {}
    for python in [*Path.home().glob(".pyenv/versions/3.*/bin/python3"), *map(Path, filter(None, map(shutil.which, (f"python3.{minor}" for minor in range(10, 16)))))]:
        done = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True)
        if done.returncode == 0:
            found[done.stdout.strip()] = python
    return {version: path for version, path in found.items() if version != "%d.%d" % sys.version_info[:2]}


@pytest.mark.skipif(not WORKER.is_file(), reason="linnet-pyworker is not built: no Python headers")
def test_another_minor_version_is_run_as_it_is_and_says_so(start):
    built = subprocess.run([WORKER, "--python-version"], capture_output=True, text=True, check=True).stdout.strip()
    others = {version: path for version, path in other_pythons().items() if version != built and int(version.split(".")[1]) >= 10}
    if not others:
        pytest.skip("no interpreter of another minor version on this machine")
    version, python = sorted(others.items())[0]
    server = start("--python", python, "--worker-script", SCRIPT)
    assert f"built for Python {built}, the interpreter is {version}" in server.request("GET", "/info").json["linnet"]["python"]
    assert server.ask("abc").json == {"text": "abc", "batch": 1}
    assert server.ask("segfault").json["error_type"] == "worker"


def test_the_active_virtual_environment_is_the_default(start, fake_venv, model):
    server = start("--engine", "python", model, variables={"VIRTUAL_ENV": str(fake_venv)})
    assert str(fake_venv) in server.request("GET", "/info").json["linnet"]["python"]


# --- Errors at start


def test_a_venv_without_transformers_says_how_to_install_it(fail, empty_venv, model):
    python = empty_venv / "bin/python3"
    line = fail(model, python=python)
    assert f"has no transformers and no torch: {python} -m pip install transformers torch" in line


def test_a_missing_interpreter_is_named(fail, model):
    assert "/no/such/python3" in fail(model, python="/no/such/python3")


def test_something_that_is_no_interpreter_is_named(fail, model):
    assert "/bin/true: does not answer as a Python interpreter" in fail(model, python="/bin/true")


def test_a_missing_model_is_named_with_the_command_that_fetches_it(fail):
    line = fail("no/such-model")
    assert "model no/such-model: OSError" in line and "hf download no/such-model" in line


def test_the_revision_of_a_name_is_handed_on(fail):
    assert "model no/such-model: OSError: no/such-model is not" in fail("no/such-model")
    for arguments in (["no/such-model@v2"], ["--revision", "v2", "no/such-model"]):
        assert "model no/such-model: OSError" in (line := fail(*arguments)) and "at revision v2" in line


def test_an_unknown_task_is_refused_with_the_nearest(fail, model):
    assert 'task "token-clasification" is unknown' in fail("--task", "token-clasification", model)
    assert "did you mean --task token-classification?" in fail("--task", "token-clasification", model)


def test_a_task_that_the_model_was_not_made_for_is_refused(fail, model):
    line = fail("--task", "token-classification", model)
    assert "is a BertForSequenceClassification" in line and "try --task text-classification" in line


def test_an_unknown_device_is_refused(fail, model):
    assert "--device cuda:7: RuntimeError: no such device here" in fail("--device", "cuda:7", model)


def test_an_unknown_dtype_is_refused(fail, model):
    assert '--dtype "int3" is no type of torch' in fail("--dtype", "int3", model)


def test_code_of_a_model_is_not_run_without_being_asked_to(fail, tmp_path):
    line = fail(write_model(tmp_path / "own", auto_map={"AutoModel": "own.Model"}, architectures=None))
    assert "--trust-remote-code" in line


def test_a_missing_script_is_named(fail):
    assert "--worker-script /no/such.py: no such file" in fail("--worker-script", "/no/such.py")


def test_a_script_that_raises_or_lacks_predict_is_refused(fail, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import no_such_module\n")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in fail("--worker-script", script)
    script.write_text("def load(): pass\n")
    assert "has no predict(batch)" in fail("--worker-script", script)


def test_a_worker_that_dies_while_it_starts_is_an_error(fail, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import os\nos._exit(7)\n")
    assert "exited with status 7 while it started" in fail("--worker-script", script)


def test_without_a_model_there_is_nothing_for_python_to_serve(fail):
    assert "wants a MODEL" in fail()


# --- Which engine


def test_auto_falls_back_to_python_for_a_model_that_the_native_engine_does_not_know_and_says_so(start, fake_venv, tmp_path):
    golden = Path(__file__).resolve().parents[1] / "golden/models"
    unknown = tmp_path / "unknown"
    shutil.copytree(next(path for path in sorted(golden.iterdir()) if (path / "config.json").is_file()), unknown)
    config = json.loads((unknown / "config.json").read_text())
    (unknown / "config.json").write_text(
        json.dumps({**config, "model_type": "xlnet", "architectures": ["XLNetForSequenceClassification"]})
    )
    server = start("--python", fake_venv / "bin/python3", unknown)
    assert server.request("GET", "/info").json["linnet"]["engine"] == "python"
    assert re.search("xlnet.*falling back to the Python engine", server.text())


def test_auto_serves_a_known_model_natively_at_the_root_too(start):
    server = start()
    assert server.request("GET", "/info").json["linnet"]["engine"] == "native"
    answer = server.ask("I love you.")
    assert answer.status == 200 and answer.text == server.ask("I love you.", path="/age").text


def test_the_native_engine_refuses_what_only_python_can(start, tmp_path):
    done = subprocess.run([LINNET, "serve", "--engine", "native", "--dtype", "float16"], capture_output=True, text=True)
    assert done.returncode == 2 and "does not know --dtype" in done.stderr
