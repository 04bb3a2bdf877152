"""int8 and bf16 against the fp32 answers of `transformers`, on every instruction set that computes them.

The bounds on the dev set are the project's: int8 changes at most 5 labels of 872, no probability by more than 0.16,
and the accuracy by at most 3 texts; bf16 changes no label, and no probability by more than 0.02.
"""

import json
import math

import pytest
from linnet import DEV, EMBEDDED, GOLDEN, ISA_FLAGS, NO_DEV, answers, assert_near, processor_flags, read_rows, run

TINY = sorted(path.name for path in (GOLDEN / "models").iterdir())
# A path that only adds products of one precision shares the others with the path below it.
PATHS = {
    "int8": ["ref", "avx2", "avx_vnni", "avx512", "avx512_vnni"],
    "bf16": ["ref", "avx512_bf16"],
}
CASES = [(precision, isa) for precision in PATHS for isa in PATHS[precision]]
MOST_FLIPS = {"int8": 5, "bf16": 0}
MOST_DELTA = {"int8": 0.16, "bf16": 0.02}  # of a probability


def options(precision, isa):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    return "--logits", "--precision", precision, "--isa", isa


def classified(model, rows, directory, *wanted):
    return [json.loads(line) for line in answers("run", model, rows, directory, *wanted)]


def probabilities(logits):
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


@pytest.mark.heavy
@pytest.mark.parametrize("precision, isa", CASES)
def test_the_dev_set_is_classified_within_the_bounds(precision, isa, tmp_path):
    if not DEV.is_file():
        pytest.skip(NO_DEV)
    rows = read_rows(DEV)[:: 6 if isa == "ref" else 1]  # plain C is slow
    got = classified(EMBEDDED, rows, tmp_path, *options(precision, isa))
    flips = [row["text"] for answer, row in zip(got, rows) if answer["label"] != row["label"]]
    assert len(flips) <= MOST_FLIPS[precision], flips
    deltas = [
        max(abs(a - b) for a, b in zip(probabilities(answer["logits"]), probabilities(row["logits"])))
        for answer, row in zip(got, rows)
    ]
    assert max(deltas) <= MOST_DELTA[precision], rows[deltas.index(max(deltas))]["text"]
    right = sum(answer["label"] == row["gold"] for answer, row in zip(got, rows))
    assert abs(right - sum(row["label"] == row["gold"] for row in rows)) <= 3


@pytest.mark.parametrize("precision, isa", CASES)
@pytest.mark.parametrize("name", TINY)
def test_models_of_every_shape_stay_near_their_fp32_answers(name, precision, isa, tmp_path):
    rows = read_rows(GOLDEN / "models" / name / "golden.jsonl")
    assert_near(classified(GOLDEN / "models" / name, rows, tmp_path, *options(precision, isa)), rows, precision)


@pytest.mark.parametrize("precision, isa", CASES)
@pytest.mark.parametrize("name", ["bert-odd-sizes", "distilbert-vocab"])
def test_a_text_gives_the_same_bits_alone_in_any_batch_and_with_any_threads(name, precision, isa, tmp_path):
    wanted = options(precision, isa)
    model, rows = GOLDEN / "models" / name, read_rows(GOLDEN / "models" / name / "golden.jsonl")
    mixed = answers("run", model, rows, tmp_path, *wanted)
    assert answers("run", model, rows, tmp_path, *wanted, "--threads", "1") == mixed
    assert answers("run", model, rows, tmp_path, *wanted, "--threads", "3", "--batch-tokens", "7") == mixed
    for index in range(0, len(rows), 5):
        assert answers("run", model, [rows[index]], tmp_path, *wanted) == [mixed[index]]


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_bf16_is_refused_where_the_path_has_no_instruction_for_it(isa):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    done = run("run", "/dev/null", "--precision", "bf16", "--isa", isa)
    assert done.returncode == 2
    assert f"precision bf16: the {isa} path has no instruction for it" in done.stderr.decode()


def test_an_unknown_precision_is_refused_with_those_there_are():
    done = run("run", "/dev/null", "--precision", "int4")
    assert done.returncode == 2
    assert "int4" in done.stderr.decode() and "want auto, fp32, bf16 or int8" in done.stderr.decode()
