"""Token classification, fill-mask and zero-shot classification in int8 and bf16, on every instruction set that computes
them: near what transformers' pipelines answer in float32 (tools/make_tasks.py).

Of two labels whose scores are near each other rounding may turn the order: that changes the best score by no more than it
changes any score, so scores, words and places are held for every token, and of labels how many are others.
"""

import http.client
import json

import pytest
from linnet import ISA_FLAGS, Server, covers, processor_flags, read_rows, run
from test_precision import CASES
from test_tasks import MODELS, TASKS, options_of, post, task_of

# Of a score: about one and a half times what was measured on these random models, whose scores are far more easily moved
# than a trained model's, and most easily those of four layers that norm first.
MOST_SCORE_DELTA = {"int8": 0.19, "bf16": 0.045}
MOST_SCORE_DELTA_MODERNBERT = {"int8": 0.31, "bf16": 0.1}
# Of all tokens of a model: the share whose label may be another.
MOST_OTHER_LABELS = {"int8": 0.08, "bf16": 0.035}


def entity_delta(got, want):
    """-> (the largest difference of a score, tokens with another label, tokens)"""
    assert [[{**token, "score": 0, "entity": ""} for token in text] for text in got] == [
        [{**token, "score": 0, "entity": ""} for token in text] for text in want]
    pairs = [pair for texts in zip(got, want) for pair in zip(*texts)]
    most = max(abs(mine["score"] - theirs["score"]) for mine, theirs in pairs)
    return most, sum(mine["entity"] != theirs["entity"] for mine, theirs in pairs), len(pairs)


def filling_delta(got, want):
    """A token that is among the best in one answer only has at most the other's least score there."""
    if isinstance(want[0], list):
        return max(filling_delta(mine, theirs) for mine, theirs in zip(got, want, strict=True))
    assert len(got) == len(want)
    assert [mine["score"] for mine in got] == sorted((mine["score"] for mine in got), reverse=True)
    mine, theirs = ({filling["token"]: filling for filling in fillings} for fillings in (got, want))
    for token in mine.keys() & theirs.keys():
        assert {**mine[token], "score": 0} == {**theirs[token], "score": 0}
    known = [abs(mine[token]["score"] - theirs[token]["score"]) for token in mine.keys() & theirs.keys()]
    missed = [theirs[token]["score"] - got[-1]["score"] for token in theirs.keys() - mine.keys()]
    added = [mine[token]["score"] - want[-1]["score"] for token in mine.keys() - theirs.keys()]
    return max([*known, *missed, *added])


def label_delta(got, want):
    if isinstance(want, list):
        return max(label_delta(mine, theirs) for mine, theirs in zip(got, want, strict=True))
    assert got["sequence"] == want["sequence"] and sorted(got["labels"]) == sorted(want["labels"])
    assert got["scores"] == sorted(got["scores"], reverse=True)
    theirs = sorted(zip(want["labels"], want["scores"]))
    return max(abs(a[1] - b[1]) for a, b in zip(sorted(zip(got["labels"], got["scores"])), theirs))


def rows_of(model):
    rows = read_rows(TASKS / model / "golden.jsonl")
    if task_of(model) == "token-classification":  # of others it depends on the labels which tokens there are
        rows = [row for row in rows if row["parameters"] == {"ignore_labels": [], "aggregation_strategy": "none"}]
    return [row for row in rows if "refused" not in row["output"]]


def answers_of(model, directory, rows, log, *options):
    answers = []
    with Server(log, directory, *options_of(model), *options) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for row in rows:
            status, got = post(connection, "/", {"inputs": row["inputs"], "parameters": row["parameters"]})
            assert status == 200, (json.dumps(row)[:300], got)
            answers.append(got)
        connection.close()
    return answers


def case(model, precision, isa):
    return pytest.param(model, precision, isa, marks=covers(TASKS / model, task_of(model), precision))


def assert_near(model, rows, answers, precision):
    most = (MOST_SCORE_DELTA_MODERNBERT if model.startswith("modernbert") else MOST_SCORE_DELTA)[precision]
    assert rows
    for row, got in zip(rows, answers, strict=True):
        name = (json.dumps(row["parameters"]), str(row["inputs"])[:80])
        if task_of(model) == "token-classification":
            delta, others, tokens = entity_delta(got, row["output"])
            assert others <= MOST_OTHER_LABELS[precision] * tokens, name
        else:
            delta = (filling_delta if task_of(model) == "fill-mask" else label_delta)(got, row["output"])
        assert delta <= most, name


@pytest.mark.parametrize("model, precision, isa", [case(model, *wanted) for model in MODELS for wanted in CASES])
def test_scores_stay_near_those_of_the_pipeline(model, precision, isa, tmp_path):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    rows = rows_of(model)
    options = ["--precision", precision, "--isa", isa]
    assert_near(model, rows, answers_of(model, TASKS / model, rows, tmp_path / "log", *options), precision)


@pytest.mark.parametrize("precision", ["int8", "bf16"])
@pytest.mark.parametrize("model", [model for model in MODELS if task_of(model) == "fill-mask"])
def test_what_quantize_writes_fills_masks_as_the_model_in_that_precision(model, precision, tmp_path):
    rows, written = rows_of(model), tmp_path / precision
    done = run("quantize", "--to", precision, "--output", written, TASKS / model)
    assert done.returncode == 0, done.stderr.decode()
    assert_near(model, rows, answers_of(model, written, rows, tmp_path / "log", "--isa", "ref"), precision)
