"""Every model family in every precision on every instruction set, against `transformers` (tools/make_families.py).

The bounds: at fp32 the project's own (linnet.py's assert_close), at int8 and bf16 those of its random models.
"""

import json

import pytest
from linnet import GOLDEN, ISA_FLAGS, answers, assert_close, assert_near, covers, processor_flags, read_rows, run
from test_precision import PATHS

MODELS = sorted(path.name for path in (GOLDEN / "families").iterdir())
CASES = [("fp32", isa) for isa in ISA_FLAGS] + [(precision, isa) for precision in PATHS for isa in PATHS[precision]]


def model(name):
    return GOLDEN / "families" / name


def case(name, precision, isa):
    return pytest.param(name, precision, isa, marks=covers(model(name), "text-classification", precision))


def golden(name):
    return read_rows(model(name) / "golden.jsonl")


def options(precision, isa):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    return "--logits", "--precision", precision, "--isa", isa


def assert_right(lines, rows, precision):
    got = [json.loads(line) for line in lines]
    if precision == "fp32":
        assert_close(got, rows)
    else:
        assert_near(got, rows, precision)


@pytest.mark.parametrize("name", MODELS)
def test_a_text_gives_the_ids_that_transformers_gives(name, tmp_path):
    rows = golden(name)
    for line, want in zip(answers("tokenize", model(name), rows, tmp_path), rows):
        got = json.loads(line)
        assert got["ids"] == want["ids"], want["text"][:80]
        assert got.get("truncated", False) == want["truncated"], want["text"][:80]


@pytest.mark.parametrize("name, precision, isa", [case(name, *wanted) for name in MODELS for wanted in CASES])
def test_a_family_answers_as_in_transformers(name, precision, isa, tmp_path):
    rows = golden(name)
    assert_right(answers("run", model(name), rows, tmp_path, *options(precision, isa)), rows, precision)


@pytest.mark.parametrize("precision, isa", CASES)
@pytest.mark.parametrize("name", MODELS)
def test_a_text_gives_the_same_bits_alone_in_any_batch_and_with_any_threads(name, precision, isa, tmp_path):
    rows, wanted = golden(name), options(precision, isa)
    mixed = answers("run", model(name), rows, tmp_path, *wanted)
    assert answers("run", model(name), rows, tmp_path, *wanted, "--threads", "1") == mixed
    assert answers("run", model(name), rows, tmp_path, *wanted, "--threads", "3", "--batch-tokens", "7") == mixed
    for index in range(0, len(rows), 6):
        assert answers("run", model(name), [rows[index]], tmp_path, *wanted) == [mixed[index]]


# --- what config.json may say in other words ---


def configured(name, directory, **changes):
    """A model with keys of its config.json changed, or with None left out."""
    directory.mkdir()
    for path in model(name).iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    config = {**json.loads((directory / "config.json").read_text()), **changes}
    config = {key: value for key, value in config.items() if value is not None}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


MIXED = ["full_attention", "sliding_attention", "sliding_attention", "sliding_attention"]


@pytest.mark.parametrize("name, changes, others", [
    ("distilbert", dict(dim=None, hidden_size=32, n_layers=None, num_hidden_layers=2, n_heads=None, num_attention_heads=4), {}),
    ("distilbert", dict(dim=64, hidden_size=32, n_layers=6, num_hidden_layers=2, n_heads=2, num_attention_heads=4), {}),
    ("modernbert", dict(local_attention=None, sliding_window=4), {}),
    ("modernbert", dict(local_attention=64, sliding_window=4), {}),
    ("modernbert", dict(layer_types=None, global_attn_every_n_layers=9), dict(layer_types=MIXED)),
    ("nomic_bert", dict(rope_parameters={"type": "default", "rope_theta": 50.0}),
     dict(rope_parameters={"rope_type": "default", "rope_theta": 50.0})),
    ("mpnet", dict(pad_token_id=7), {}),
], ids=["aliases", "aliases-go-first", "half-a-window", "half-a-window-goes-first", "few-layers", "older-type", "padding"])  # fmt: skip
def test_a_config_in_other_words_gives_the_same_answers(name, changes, others, tmp_path):
    rows = golden(name)
    got = answers("run", configured(name, tmp_path / "a", **changes), rows, tmp_path, "--logits")
    assert got == answers("run", configured(name, tmp_path / "b", **others), rows, tmp_path, "--logits")


@pytest.mark.parametrize("precision", ["int8", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_what_quantize_writes_answers_as_the_model_in_that_precision(name, precision, tmp_path):
    rows, wanted = golden(name), options(precision, "ref")
    written = tmp_path / precision
    done = run("quantize", "--to", precision, "--output", written, model(name))
    assert done.returncode == 0, done.stderr.decode()
    assert_right(answers("run", written, rows, tmp_path, *wanted), rows, precision)
    # The layers' matrices, which are most of a real model, have become smaller.
    stored = b'"I8"' if precision == "int8" else b'"BF16"'
    assert (written / "model.safetensors").read_bytes().count(stored) >= 6
