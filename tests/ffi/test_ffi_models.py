"""Several models of which some, or all, are served by Python: each has workers of its own, and one queue is before all."""
import os
import shutil
import signal

import pytest

from ffi_server import LINNET, ROOT, wait_until
from test_ffi_pipeline import one, write_model

NATIVE = ROOT / "tests/golden/models/bert-gelu"


@pytest.fixture
def moods(tmp_path):
    return write_model(tmp_path / "moods")


@pytest.fixture
def tags(tmp_path):
    return write_model(tmp_path / "tags", architectures=["BertForTokenClassification"])


@pytest.fixture
def serve(start, fake_venv):
    def start_models(*arguments, **keywords):
        return start("--python", fake_venv / "bin/python3", *arguments, **keywords)

    return start_models


def test_each_model_of_several_in_python_has_its_own_pipeline(serve, moods, tags):
    server = serve("--engine", "python", f"moods={moods}", f"tags={tags}")
    assert server.ask("abc", "/models/moods/").json == [one("abc")]
    assert server.ask("abc", "/models/tags/").json == [one("abc")]
    infos = {name: server.request("GET", f"/models/{name}/info").json for name in ("moods", "tags")}
    assert [infos[name]["linnet"]["task"] for name in infos] == ["text-classification", "token-classification"]
    assert server.ask("abc").json == [one("abc")] and server.request("GET", "/info").json["model_id"] == str(moods)
    assert len(server.workers()) == 2
    metrics = server.request("GET", "/metrics").text
    for name in infos:
        assert f'linnet_workers_ready{{model="{name}"}} 1\n' in metrics


def test_the_hosted_path_and_its_descriptions_know_models_in_python(serve, moods, tags):
    server = serve("--engine", "python", f"moods={moods}", f"tags={tags}")
    assert server.ask("abc", "/models/tags").json == [one("abc")]
    assert [model["id"] for model in server.request("GET", "/v1/models").json["data"]] == ["moods", "tags"]
    paths = server.request("GET", "/openapi.json").json["paths"]
    assert paths["/"]["post"]["x-served"] and paths["/predict"]["post"]["x-served"] and not paths["/embed"]["post"]["x-served"]
    assert 'href="models/tags/docs">/models/tags</a> token-classification' in server.request("GET", "/docs").text
    refused = server.ask("abc", "/models/tags/predict")
    assert refused.status == 424 and "token-classification" in refused.json["error"]


def test_the_hosted_path_has_a_list_of_labels_for_each_text(serve, moods):
    server = serve("--engine", "python", f"moods={moods}", f"own={NATIVE}")
    assert server.ask("abc", "/models/moods").json == [[one("abc")]]
    assert server.ask(["abc"], "/models/moods", top_k=1).json == [[one("abc")]]
    assert server.ask(["abc", "abd"], "/models/moods").json == [[one("abc", 2)], [one("abd", 2)]]
    assert server.ask("abc", "/models/moods/").json == [one("abc")]


def test_a_side_to_cut_that_python_does_not_know_of_is_refused(serve, moods):
    server = serve("--engine", "python", f"moods={moods}", f"own={NATIVE}")
    for side, status in (("Left", 422), ("Right", 200)):
        body = f'{{"inputs": "abc", "truncate": true, "truncation_direction": "{side}"}}'
        answer = server.request("POST", "/models/moods/predict", body)
        assert answer.status == status and ("Python" in answer.text) == (status == 422), answer.text


def test_what_the_native_engine_cannot_is_served_by_python_beside_what_it_can(serve, tmp_path):
    other = write_model(tmp_path / "other", model_type="gpt2", architectures=["GPT2ForSequenceClassification"])
    for file in NATIVE.iterdir():
        if file.name != "config.json":
            shutil.copy(file, other)
    server = serve(f"other={other}", f"own={NATIVE}")
    infos = [server.request("GET", f"/models/{name}/info").json["linnet"] for name in ("other", "own")]
    assert [info["engine"] for info in infos] == ["python", "native"]
    assert server.ask("abc", "/models/other/age").json == [one("abc")]
    assert set(server.ask("abc", "/models/own/age").json[0]) == {"label", "score"}
    assert server.request("POST", "/tokenize", '{"inputs": "abc"}').status == 200
    assert len(server.workers()) == 1


def test_a_parent_that_ignores_the_end_of_children_changes_nothing(start, fake_venv, moods, tmp_path):
    wrapped = tmp_path / "wrapped"
    wrapped.write_text(f'#!/bin/sh\nexec env --ignore-signal=CHLD "{LINNET}" "$@"\n')
    wrapped.chmod(0o755)
    server = start("--python", fake_venv / "bin/python3", "--engine", "python", moods, executable=wrapped)
    assert server.ask("abc").json == [one("abc")]


def test_a_worker_that_dies_takes_no_other_model_with_it(serve, moods, tags):
    server = serve("--engine", "python", f"moods={moods}", f"tags={tags}")
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    answers = [server.ask("abc", f"/models/{name}/") for name in ("moods", "tags") * 4]
    assert [answer.status for answer in answers] == [200] * 8
    wait_until(lambda: len(server.workers()) == 2 and server.state() == "ok", what="the worker again")
    assert len(set(server.workers()) & set(before)) == 1


def test_a_model_that_python_cannot_load_is_told_from_the_others(serve, moods, tmp_path):
    server = serve("--engine", "python", "--allow-missing", f"moods={moods}", f"gone={tmp_path / 'gone'}", ready=False)
    wait_until(lambda: server.state() == "degraded", 60, "the start")
    assert server.ask("abc", "/models/moods/").json == [one("abc")]
    refused = server.ask("abc", "/models/gone/")
    assert refused.status == 503 and "gone" in refused.json["error"]
