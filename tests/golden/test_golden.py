"""linnet's answers against those of `transformers` (tools/make_golden.py), through the real executable.

The bounds are the project's: equal ids and labels, |logit| within max(2e-5, 1e-5 |logit|), scores within 1e-5.
"""

import functools
import json
import tempfile
from pathlib import Path

import pytest
from linnet import DEV, EMBEDDED, GOLDEN, ISA_FLAGS, NO_DEV, answers, assert_close, processor_flags, read_rows, run

TINY = sorted(path.name for path in (GOLDEN / "models").iterdir())
SETS = {
    "embedded": (EMBEDDED, GOLDEN / "sst2-minilm.jsonl"),
    "embedded on the dev set": (EMBEDDED, DEV),
    **{name: (GOLDEN / "models" / name, GOLDEN / "models" / name / "golden.jsonl") for name in TINY},
}


@functools.lru_cache(maxsize=None)
def lines(command, name, *options, every=1):
    """What linnet answers to a golden set, or to every n-th row of it; run once for all tests that look at it."""
    with tempfile.TemporaryDirectory() as directory:
        return answers(command, SETS[name][0], golden(name, every), Path(directory), *options)


def golden(name, every=1):
    if not SETS[name][1].is_file():
        pytest.skip(NO_DEV)
    return read_rows(SETS[name][1])[::every]


def classified(name, *options, every=1):
    return [json.loads(line) for line in lines("run", name, "--logits", *options, every=every)]


@pytest.mark.parametrize("name", SETS)
def test_a_text_gives_the_ids_that_transformers_gives(name):
    rows = golden(name)
    for line, want in zip(lines("tokenize", name), rows):
        assert json.loads(line)["ids"] == want["ids"], want["text"][:80]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.heavy) if "dev set" in name else name for name in SETS])
def test_a_text_gives_the_logits_label_and_score_that_transformers_gives(name):
    assert_close(classified(name), golden(name))


@pytest.mark.parametrize("name", [name for name in SETS if name != "embedded on the dev set"])
def test_a_row_is_marked_truncated_exactly_where_its_text_was_cut(name):
    want = [row["truncated"] for row in golden(name)]
    assert [row.get("truncated", False) for row in classified(name)] == want
    assert [json.loads(line).get("truncated", False) for line in lines("tokenize", name)] == want


@pytest.mark.heavy
def test_the_dev_set_is_classified_as_often_rightly_as_by_transformers():
    rows = golden("embedded on the dev set")
    want = sum(row["label"] == row["gold"] for row in rows)
    got = sum(answer["label"] == row["gold"] for answer, row in zip(classified("embedded on the dev set"), rows))
    assert got == want


# Only every sixth row of the embedded model, for plain C is slow.
@pytest.mark.parametrize("isa", ISA_FLAGS)
@pytest.mark.parametrize(
    "name, every", [("embedded", 6), ("bert-odd-sizes", 1), ("bert-one-head", 1), ("distilbert-odd-sizes", 1)]
)
@pytest.mark.heavy
def test_every_instruction_set_gives_the_answers_of_transformers(name, every, isa):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    assert_close(classified(name, "--isa", isa, every=every), golden(name, every))


@pytest.mark.heavy
@pytest.mark.parametrize("isa", [isa for isa in ISA_FLAGS if not ISA_FLAGS[isa] <= processor_flags()] + ["avx1024"])
def test_an_instruction_set_that_is_not_there_is_refused_by_name(isa):
    done = run("run", "/dev/null", "--input", "jsonl", "--isa", isa)
    assert done.returncode > 0
    assert isa in done.stderr.decode()


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["embedded", "bert-gelu", "bert-odd-sizes", "bert-one-head", "distilbert-odd-sizes"])
def test_any_number_of_threads_gives_the_same_bits(name):
    one = lines("run", name, "--logits", "--threads", "1")
    assert lines("run", name, "--logits", "--threads", "2") == one
    assert lines("run", name, "--logits", "--threads", "3") == one


@pytest.mark.parametrize("isa", ISA_FLAGS)
@pytest.mark.parametrize("name, every", [("embedded", 6), ("bert-odd-sizes", 1), ("distilbert-vocab", 1)])
def test_a_text_gives_the_same_bits_alone_and_in_a_mixed_batch(name, every, isa, tmp_path):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    mixed = lines("run", name, "--logits", "--isa", isa, every=every)
    for index, row in list(enumerate(golden(name, every)))[::3]:
        assert answers("run", SETS[name][0], [row], tmp_path, "--logits", "--isa", isa) == [mixed[index]]


@pytest.mark.heavy
@pytest.mark.parametrize("budget", [1, 7, 64, 1000])
@pytest.mark.parametrize("name", ["embedded", "bert-odd-sizes"])
def test_any_batch_size_gives_the_same_bits(name, budget):
    assert lines("run", name, "--logits", "--batch-tokens", str(budget)) == lines("run", name, "--logits")


@pytest.mark.parametrize("name", TINY)
def test_info_accepts_every_golden_model(name):
    done = run("info", GOLDEN / "models" / name)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout
