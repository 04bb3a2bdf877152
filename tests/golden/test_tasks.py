"""Token classification, fill-mask and zero-shot classification: POST / and `linnet run` answer what transformers'
pipelines return for the same inputs and parameters (tools/make_tasks.py)."""

import contextlib
import http.client
import json
import re
import shutil
import subprocess

import pytest
from linnet import BINARY, BUILD, GOLDEN, ISA_FLAGS, Server, covers, processor_flags, read_rows, run

TASKS = GOLDEN / "tasks"
MODELS = sorted(path.name for path in TASKS.iterdir())
OPTIONS = {"nli": ["--task", "zero-shot-classification"]}  # an NLI model's architecture says text classification


def options_of(model):
    return OPTIONS.get(model.rsplit("-", 1)[1], [])


def supported(isa):
    return ISA_FLAGS[isa] <= processor_flags()


def difference(got, want, path="answer"):
    """Where two answers differ by more than 1e-5 in a number, or at all in anything else; or None."""
    if isinstance(want, float) or isinstance(got, float):
        close = isinstance(got, (int, float)) and isinstance(want, (int, float)) and abs(got - want) <= 1e-5
        return None if close else f"{path}: {got}, not {want}"
    if type(got) is not type(want):
        return f"{path}: {got}, not {want}"
    if isinstance(want, dict):
        if list(got) != list(want):
            return f"{path}: keys {list(got)}, not {list(want)}"
        return next(filter(None, (difference(got[key], want[key], f"{path}.{key}") for key in want)), None)
    if isinstance(want, list):
        if len(got) != len(want):
            return f"{path}: {len(got)} elements, not {len(want)}: {got}, not {want}"
        return next(filter(None, (difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(got, want)))), None)
    return None if got == want else f"{path}: {got!a}, not {want!a}"


def post(connection, path, body):
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def check_model(model, directory, *options, every=1):
    rows = read_rows(TASKS / model / "golden.jsonl")[::every]
    with Server(directory / "log", TASKS / model, *options_of(model), *options) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        for row in rows:
            status, got = post(connection, "/", {"inputs": row["inputs"], "parameters": row["parameters"]})
            name = json.dumps([row["parameters"], row["inputs"]])[:300]
            if isinstance(row["output"], dict) and "refused" in row["output"]:
                assert status in (413, 422), (name, got)
                continue
            assert status == 200, (name, got)
            assert difference(got, row["output"]) is None, (name, difference(got, row["output"]))
        connection.close()


def task_of(model):
    return {"ner": "token-classification", "mlm": "fill-mask", "nli": "zero-shot-classification"}[model.rsplit("-", 1)[1]]


@pytest.mark.parametrize("model", [pytest.param(model, marks=covers(TASKS / model, task_of(model), "fp32")) for model in MODELS])
def test_a_request_gets_the_answer_of_the_pipeline(model, tmp_path):
    check_model(model, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("isa", ISA_FLAGS)
@pytest.mark.parametrize("model", MODELS)
def test_every_instruction_set_gives_the_answers_of_the_pipeline(model, isa, tmp_path):
    if not supported(isa):
        pytest.skip(f"this processor has no {isa}")
    check_model(model, tmp_path, "--isa", isa, every=3)


def lines_of(model, texts, *options):
    """What `linnet run` writes for the texts."""
    text = "".join(text + "\n" for text in texts)
    done = subprocess.run([BINARY, "run", TASKS / model, "-", *options], input=text.encode(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def rows_of(model, **parameters):
    """Rows of one text that can stand in a line, with just these parameters."""
    rows = read_rows(TASKS / model / "golden.jsonl")
    return [row for row in rows if row["parameters"] == parameters and isinstance(row["inputs"], str)
            and "\n" not in row["inputs"] and "refused" not in row["output"]]


def assert_lines(got, rows):
    assert len(got) == len(rows) > 0
    for line, row in zip(got, rows):
        assert difference(line, row["output"]) is None, (row["inputs"], difference(line, row["output"]))


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("model", ["bert-ner", "roberta-ner", "xlm-roberta-ner"])
def test_run_writes_the_entities_of_each_line(model, strategy):
    rows = rows_of(model, aggregation_strategy=strategy)
    assert_lines(lines_of(model, [row["inputs"] for row in rows], "--aggregation-strategy", strategy), rows)


@pytest.mark.parametrize("model", ["bert-mlm", "roberta-mlm"])
def test_the_request_to_try_is_one_that_the_model_answers(model, tmp_path):
    with Server(tmp_path / "log", TASKS / model) as server:
        [body] = re.findall(r"try:\n.* -d '(.*)'", (tmp_path / "log").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        assert post(connection, "/", json.loads(body))[0] == 200, body
        connection.request("GET", "/info")
        assert json.loads(connection.getresponse().read())["linnet"]["mask_token"] in body


def test_a_token_whose_place_lies_past_the_text_is_written_with_it(tmp_path):
    """As the package gives it where bytes stand for a suffix that no token has; transformers slices the text with it."""
    model = tmp_path / "bert-ner"
    shutil.copytree(TASKS / "bert-ner", model)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"<0x{ord(character):02X}>" for character in "x</w>y")]
    bpe = {"type": "BPE", "unk_token": "[UNK]", "end_of_word_suffix": "</w>", "byte_fallback": True, "merges": [],
           "vocab": {token: number for number, token in enumerate(vocabulary)}}
    tokenizer = {"added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None,
                 "decoder": None, "model": bpe}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}))
    places = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (3, 4), (1, 2), (2, 3), (3, 4), (4, 5)]
    [entities] = lines_of(model, ["yx y"])
    assert [(entity["start"], entity["end"]) for entity in entities] == places
    [words] = lines_of(model, ["yx y"], "--aggregation-strategy", "first")
    assert [(word["start"], word["end"]) for word in words] == [(0, 2), (2, 3), (3, 6), (3, 2), (2, 5)]


@pytest.mark.parametrize("strategy", ["none", "simple", "first"])
def test_the_word_of_an_entity_keeps_a_nul_of_its_token_or_of_the_text(strategy, tmp_path):
    """The third is unknown, whose word is its stretch of the text."""
    model = tmp_path / "bert-ner"
    shutil.copytree(TASKS / "bert-ner", model)
    words = ["e\0a", "\0", "x\0y"]
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words[:2]])}
    tokenizer = {"added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None,
                 "decoder": None, "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": vocabulary}}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}))
    [entities] = lines_of(model, [" ".join(words)], "--aggregation-strategy", strategy, "--ignore-labels", "-")
    assert " ".join(entity["word"] for entity in entities) == " ".join(words)


def test_run_writes_the_words_for_the_masks_of_each_line():
    rows = rows_of("bert-mlm", top_k=3)
    assert_lines(lines_of("bert-mlm", [row["inputs"] for row in rows], "--top-k", "3"), rows)
    rows = rows_of("bert-mlm", targets="good")
    assert_lines(lines_of("bert-mlm", [row["inputs"] for row in rows], "--targets", "good"), rows)


def test_run_writes_the_labels_of_each_line():
    labels = ["food", "travel", "music", "a book that is old"]
    options = ["--task", "zero-shot-classification", "--candidate-labels", ", ".join(labels)]
    rows = rows_of("bert-nli", candidate_labels=labels)
    assert_lines(lines_of("bert-nli", [row["inputs"] for row in rows], *options), rows)
    rows = rows_of("bert-nli", candidate_labels=labels, multi_label=True)
    assert_lines(lines_of("bert-nli", [row["inputs"] for row in rows], *options, "--multi-label"), rows)


@pytest.mark.parametrize("model, options, word", [
    ("bert-mlm", ["--candidate-labels", "a"], "--candidate-labels is for zero-shot-classification"),
    ("bert-ner", ["--top-k", "3"], "--top-k is not for token-classification"),
    ("bert-ner", ["--aggregation-strategy", "best"], "want none, simple, first, average or max"),
    ("bert-ner", ["--task", "fill-mask"], 'the task "fill-mask"'),
    ("bert-nli", ["--task", "zero-shot-classification"], "--candidate-labels"),
    ("bert-mlm", ["--logits"], "--logits is for text-classification"),
])
def test_an_option_of_another_task_is_refused_by_name(model, options, word):
    done = run("run", TASKS / model, "/dev/null", *options)
    assert done.returncode != 0
    assert word in done.stderr.decode()


def entities_of(model, strategy, texts):
    done = subprocess.run([BUILD / "tests/golden/find_entities", TASKS / model, strategy],
                          input="".join(text + "\n" for text in texts).encode(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return [part.splitlines() for part in done.stdout.decode().split("\n\n")[:-1]] if texts else []


@pytest.mark.parametrize("strategy", ["none", "simple", "average"])
def test_the_library_finds_the_entities_of_the_pipeline(strategy):
    rows = [row for row in rows_of("bert-ner", aggregation_strategy=strategy) if row["output"]]
    for row in rows:
        got = entities_of("bert-ner", strategy, [row["inputs"]])[0]
        assert len(got) == len(row["output"])
        for line, want in zip(got, row["output"]):
            label, score, word, start, end = line.split("\t")
            assert (label, word, int(start), int(end)) == (
                want.get("entity", want.get("entity_group")), want["word"], want["start"], want["end"])
            assert abs(float(score) - want["score"]) <= 1e-5


def test_the_library_refuses_what_is_no_token_classifier():
    done = subprocess.run([BUILD / "tests/golden/find_entities", TASKS / "bert-mlm", "none"], input=b"a\n", capture_output=True)
    assert done.returncode == 1
    assert done.stderr.startswith(b"unsupported_model: the model is for fill-mask")


@pytest.fixture(scope="module")
def connections(tmp_path_factory):
    """A connection to a server of each kind."""
    with contextlib.ExitStack() as stack:
        opened = {}
        for model in ("bert-ner", "bert-mlm", "bert-nli"):
            log = tmp_path_factory.mktemp(model) / "log"
            server = stack.enter_context(Server(log, TASKS / model, *options_of(model)))
            opened[model] = stack.enter_context(contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)))
        yield opened


@pytest.mark.parametrize("model, body, words", [
    ("bert-ner", {"inputs": "a", "parameters": {"stride": 4}}, "stride"),
    ("bert-ner", {"inputs": "a", "parameters": {"is_split_into_words": True}}, "is_split_into_words"),
    ("bert-ner", {"inputs": "a", "parameters": {"aggregation_strategy": "best"}}, "aggregation_strategy"),
    ("bert-ner", {"inputs": "a", "parameters": {"ignore_labels": "O"}}, "ignore_labels"),
    ("bert-ner", {"inputs": "a", "parameters": {"ignore_labels": [1]}}, "ignore_labels"),
    ("bert-ner", {"inputs": "a", "parameters": {"top_k": 1}}, "top_k"),
    ("bert-ner", {"inputs": {"text": "a"}}, "inputs"),
    ("bert-ner", {"inputs": ["a", 1]}, "inputs[1]"),
    ("bert-ner", {"inputs": []}, "inputs"),
    ("bert-ner", {}, "inputs"),
    ("bert-mlm", {"inputs": "no mask"}, "[MASK]"),
    ("bert-mlm", {"inputs": ["[MASK]", "no mask"]}, "inputs[1]"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"top_k": 0}}, "top_k"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"top_k": 10**9}}, "top_k"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"targets": []}}, "targets"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"targets": [1]}}, "targets"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"targets": ""}}, "target"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"tokenizer_kwargs": {"padding": True}}}, "padding"),
    ("bert-mlm", {"inputs": "[MASK]", "parameters": {"candidate_labels": "a"}}, "candidate_labels"),
    ("bert-nli", {"inputs": "a"}, "candidate_labels"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": " , "}}, "candidate_labels"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": ["b", ""]}}, "candidate_labels"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": {"b": 1}}}, "candidate_labels"),
    ("bert-nli", {"inputs": "", "parameters": {"candidate_labels": ["b"]}}, "empty"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "multi_label": 1}}, "multi_label"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "it"}}, "{}"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{} {}"}}, "several"),
    ("bert-nli", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{name}"}}, "brace"),
    ("bert-nli", {"inputs": ["a"] * 200, "parameters": {"candidate_labels": list("bcdef")}}, "1000 pairs"),
], ids=str)
def test_what_is_not_done_is_refused_in_words(connections, model, body, words):
    status, answer = post(connections[model], "/", body)
    assert status == 422, answer
    assert words in answer["error"]


@pytest.mark.parametrize("model", ["bert-ner", "bert-mlm", "bert-nli"])
def test_a_dialect_of_classifiers_says_what_the_model_is_for(connections, model):
    status, answer = post(connections[model], "/predict", {"inputs": "a"})
    assert status in (413, 422, 424) and "classif" in answer["error"], answer


AT_AGE = {
    "bert-ner": {"inputs": "The staff was kind."},
    "bert-mlm": {"inputs": "The food was [MASK]."},
    "bert-nli": {"inputs": "The staff was kind.", "parameters": {"candidate_labels": ["food", "staff"]}},
}


@pytest.mark.parametrize("model", AT_AGE)
def test_a_task_is_answered_at_age_too(connections, model):
    status, answer = post(connections[model], "/age", AT_AGE[model])
    assert (status, answer) == post(connections[model], "/", AT_AGE[model]) and status == 200
    connections[model].request("GET", "/openapi.json")
    served = json.loads(connections[model].getresponse().read())["paths"]["/age"]["post"]
    taken = served["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    answered = served["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    name = {"bert-ner": "TokenClassification", "bert-mlm": "FillMask", "bert-nli": "ZeroShot"}[model]
    assert served["x-served"] and taken.endswith(f"/{name}Request") and answered.endswith(f"/{name}Response")


def test_a_mask_that_was_cut_away_is_a_text_too_long(connections):
    cut = {"tokenizer_kwargs": {"max_length": 5}}
    status, answer = post(connections["bert-mlm"], "/", {"inputs": "good good good good [MASK]", "parameters": cut})
    assert status == 413 and "cut from 7 tokens to 5 the text has no mask token left" in answer["error"]
    status, answer = post(connections["bert-mlm"], "/", {"inputs": "good good good good good", "parameters": cut})
    assert status == 422 and "the text has no mask token, want [MASK]" in answer["error"]


def test_whole_numbers_may_be_written_as_floats(connections):
    body = {"inputs": "[MASK]", "parameters": {"top_k": 2.0, "tokenizer_kwargs": {"max_length": 9.0}}}
    status, answer = post(connections["bert-mlm"], "/", body)
    assert status == 200 and len(answer) == 2
