"""Whole requests: POST /age answers what transformers.pipeline returns for the same inputs and parameters."""

import http.client
import json

import pytest
from linnet import GOLDEN, Server, read_rows

ROWS = read_rows(GOLDEN / "pipeline.jsonl")


@pytest.fixture(scope="session")
def connection(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("serve") / "log") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        yield connection
        connection.close()


def name_of(row):
    return json.dumps([row["parameters"], row["inputs"]])[:70]


def assert_same(got, want):
    """Equal shapes and labels; scores within 1e-5, or the bound of logits where they are logits."""
    assert type(got) is type(want), (got, want)
    if isinstance(want, list):
        assert len(got) == len(want), (got, want)
        for got_part, want_part in zip(got, want):
            assert_same(got_part, want_part)
        return
    assert list(got) == ["label", "score"], got
    assert got["label"] == want["label"], (got, want)
    bound = 1e-5 if 0 <= want["score"] <= 1 else max(2e-5, 1e-5 * abs(want["score"]))
    assert abs(got["score"] - want["score"]) <= bound, (got, want)


def case_of(row):
    """Under a sanitizer, texts of hundreds of tokens take seconds each: a cut is a cut in a short text too."""
    return pytest.param(row, marks=pytest.mark.heavy if len(json.dumps(row["inputs"])) > 1000 else [], id=name_of(row))


@pytest.mark.parametrize("row", [case_of(row) for row in ROWS])
def test_a_request_gets_the_answer_of_the_pipeline(connection, row):
    body = {"inputs": row["inputs"]}
    if row["parameters"]:
        body["parameters"] = row["parameters"]
    connection.request("POST", "/age", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status == 200, text
    assert_same(json.loads(text), row["output"])
