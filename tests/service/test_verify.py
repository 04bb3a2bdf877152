"""linnet verify: parity with a golden file, and that no mistake in model or file passes."""
import json

import pytest

from service import MODELS, ROOT, linnet

MODEL = MODELS / "bert-gelu"
GOLDEN = MODEL / "golden.jsonl"
KEYS = {"model", "precision", "isa", "golden", "texts", "failed", "ids_compared", "ids_differ", "max_logit_difference",
        "max_score_difference", "flips", "gold", "right", "golden_right", "worst", "flipped", "failure", "within_bounds"}


def rows():
    return [json.loads(line) for line in GOLDEN.read_text().splitlines()]


def verify(tmp_path, golden_rows, *options, model=MODEL):
    file = tmp_path / "golden.jsonl"
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in golden_rows))
    return linnet("verify", "--golden", file, *options, model)


def report(done):
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir()))
def test_every_golden_model_is_within_the_bounds(name):
    done = linnet("verify", "--json", "--golden", MODELS / name / "golden.jsonl", MODELS / name)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    got = report(done)
    assert set(got) == KEYS and got["within_bounds"] is True and got["failure"] is None
    assert got["texts"] == got["ids_compared"] > 0 and got["failed"] == got["ids_differ"] == got["flips"] == 0


@pytest.mark.heavy
def test_the_embedded_model_is_within_the_bounds_and_the_report_is_for_people():
    done = linnet("verify", "--golden", ROOT / "tests/golden/sst2-minilm.jsonl")
    text = done.stdout.decode()
    assert done.returncode == 0
    for words in ("texts        251 of", "token ids    0 of 251", "logits       differ by at most", "scores       differ by at most",
                  "labels       0 texts", "within the bounds of fp32"):
        assert words in text
    assert "line " in text  # the text that the worst figure comes from


def test_a_golden_file_on_standard_input_is_read():
    done = linnet("verify", "--json", "--golden", "-", MODEL, stdin=GOLDEN.read_bytes())
    assert done.returncode == 0 and report(done)["texts"] == len(rows())


def wrong_logit(row):
    row["logits"][0] += 1e-4


def wrong_id(row):
    row["ids"][1] += 1


def missing_id(row):
    row["ids"].pop()


def other_label(row):
    row["label"] = {"NEGATIVE": "POSITIVE", "POSITIVE": "NEGATIVE"}[row["label"]]
    del row["score"]


def wrong_score(row):
    row["score"] += 1e-3


def other_text(row):
    row["text"] += " more"


@pytest.mark.parametrize("spoil, words", [
    (wrong_logit, "a logit differs by up to "),
    (wrong_id, "other token ids"),
    (missing_id, "other token ids"),
    (other_label, "1 of 23 texts have another label"),
    (wrong_score, "a score differs by 0.001"),
    (other_text, "other token ids"),
])
def test_one_wrong_value_in_one_row_fails_and_the_text_is_named(tmp_path, spoil, words):
    golden = rows()
    spoil(golden[4])
    done = verify(tmp_path, golden, "--json")
    got, told = report(done), done.stderr.decode()
    assert done.returncode == 1 and got["within_bounds"] is False and words in got["failure"]
    assert "not within the bounds of fp32" in told and words in told and "text 5" in told and len(told.splitlines()) == 1


def test_another_models_weights_fail(tmp_path):
    golden = [{"text": row["text"], "logits": row["logits"]} for row in rows()]
    done = verify(tmp_path, golden, "--json", model=MODELS / "bert-relu")
    assert done.returncode == 1 and report(done)["within_bounds"] is False


def test_ids_label_and_score_may_be_missing(tmp_path):
    done = verify(tmp_path, [{"text": row["text"], **({"text_pair": row["text_pair"]} if "text_pair" in row else {}),
                              "logits": row["logits"]} for row in rows()], "--json")
    assert done.returncode == 0 and report(done)["ids_compared"] == 0


def test_accuracy_is_counted_where_the_right_labels_are_given(tmp_path):
    golden = rows()
    for index, row in enumerate(golden):
        row["gold"] = row["label"] if index else {"NEGATIVE": "POSITIVE", "POSITIVE": "NEGATIVE"}[row["label"]]
    got = report(verify(tmp_path, golden, "--json"))
    assert (got["gold"], got["right"], got["golden_right"]) == (len(golden), len(golden) - 1, len(golden) - 1)


@pytest.mark.parametrize("change, words", [
    (lambda row: row.pop("logits"), '"logits" is missing, want a list of 2 numbers'),
    (lambda row: row["logits"].append(1), '"logits" is a list of another length'),
    (lambda row: row.update(logits=["1", 2]), '"logits" has a string'),
    (lambda row: row.update(label="MAYBE"), '"label" is "MAYBE", which the model has no label of'),
    (lambda row: row.update(label=5), '"label" is '),
    (lambda row: row.update(gold="MAYBE"), '"gold" is "MAYBE"'),
    (lambda row: row.update(ids="1 2"), '"ids" is a string'),
    (lambda row: row.update(ids=[1.5]), '"ids" has '),
    (lambda row: row.update(score="high"), '"score" is a string'),
    (lambda row: row["logits"].__setitem__(1, 1e39), '"logits" has 1e+39, want numbers that a float can hold'),
    (lambda row: row.update(logits=[-1e39, -1e39]), '"logits" has -1e+39, want numbers that a float can hold'),
    (lambda row: row.update(score=1e39), '"score" has 1e+39, want numbers that a float can hold'),
    (lambda row: row.pop("text"), "text"),
])
def test_a_row_that_is_wrong_ends_the_command_with_its_line(tmp_path, change, words):
    golden = rows()
    change(golden[2])
    done = verify(tmp_path, golden)
    told = done.stderr.decode()
    assert done.returncode == 1 and done.stdout == b"" and ": line 3: " in told and words in told, told


def test_an_embedding_that_is_not_finite_as_float32_ends_the_command(tmp_path):
    model = ROOT / "tests/golden/embeddings/concatenated"
    row = json.loads((model / "golden.jsonl").read_text().splitlines()[0])
    for embedding in ([1e39] * len(row["embedding"]), [*row["embedding"][:-1], -1e39]):
        done = verify(tmp_path, [{"text": row["text"], "embedding": embedding}], "--json", model=model)
        assert done.returncode == 1 and done.stdout == b"" and b'line 1: "embedding" has ' in done.stderr, done.stderr


def test_what_is_no_json_ends_the_command_with_its_line(tmp_path):
    done = verify(tmp_path, [rows()[0], "{"])
    assert done.returncode == 1 and b": line 2: " in done.stderr


def test_an_empty_golden_file_proves_nothing_and_fails(tmp_path):
    done = verify(tmp_path, [""])
    assert done.returncode == 1 and b"has no rows" in done.stderr


@pytest.mark.parametrize("arguments, code, words", [
    ([], 2, "verify wants --golden FILE"),
    (["--golden", GOLDEN, "--precision", "fp7", MODEL], 2, 'precision "fp7" is unknown'),
    (["--golden", GOLDEN, "--isa", "sse9", MODEL], 2, "sse9"),
    (["--golden", GOLDEN, MODEL, "more"], 2, '"more" is one argument too many'),
    (["--goldn", GOLDEN], 2, "did you mean --golden?"),
    (["--golden", "/no/such/file", MODEL], 1, "/no/such/file"),
    (["--golden", GOLDEN, "/no/such/model"], 1, "/no/such/model"),
])
def test_what_is_wrong_with_the_command_line_is_one_line(arguments, code, words):
    done = linnet("verify", *arguments)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == code and len(lines) == 1 and words in lines[0], lines


# --- Other tasks

TASKS = ROOT / "tests/golden/tasks"
WITH_LOGITS = sorted(path.parent.name for path in TASKS.glob("*/logits.jsonl"))
UNITS = {"ner": "tokens", "mlm": "masks"}


def task_rows(name):
    return [json.loads(line) for line in (TASKS / name / "logits.jsonl").read_text().splitlines()]


def task_options(name):
    return ["--task", "zero-shot-classification"] if name.endswith("nli") else []


@pytest.mark.parametrize("name", WITH_LOGITS)
def test_every_golden_model_of_a_task_is_within_the_bounds(name):
    golden = task_rows(name)
    done = linnet("verify", "--json", *task_options(name), "--golden", TASKS / name / "logits.jsonl", TASKS / name)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    got, unit = report(done), UNITS.get(name.rsplit("-", 1)[1])
    assert got["within_bounds"] is True and got["texts"] == got["ids_compared"] == len(golden) and got["ids_differ"] == 0
    if unit == "tokens":  # those at both ends are special
        assert got["tokens"] == sum(len(row["ids"]) - 2 for row in golden)
    elif unit:
        assert got["masks"] == sum(len(row["logits"]) for row in golden) > len(golden)
    else:
        assert set(got) == KEYS


def test_the_tasks_that_have_golden_logits_are_all_but_those_of_text_classification():
    assert {name.rsplit("-", 1)[1] for name in WITH_LOGITS} == {"ner", "mlm", "nli"}


def one_logit(more):
    def spoil(row):
        row["logits"][1][0] += more

    return spoil


def one_list_less(row):
    """Where token ids tell nothing of it."""
    row["logits"].pop()
    del row["ids"]


def no_lists(row):
    row["logits"] = []
    del row["ids"]


def first_and_last(row):
    """Of token 0 and the last one, which are special."""
    for index in (0, -1):
        row["logits"][index][0] += 100


@pytest.mark.parametrize("name, index, spoil, words", [
    ("bert-ner", 3, one_logit(1e-3), "a logit differs by up to 0.00"),
    ("bert-ner", 3, one_logit(1e-3), 'text 4, token 1 "the": "The staff'),
    ("bert-ner", 3, wrong_id, "a text has other token ids; text 4:"),
    ("bert-ner", 3, missing_id, "a text has other token ids; text 4:"),
    ("bert-ner", 3, other_text, "a text has other token ids; text 4:"),
    ("bert-mlm", 2, one_logit(1e-2), "text 3, mask 2: \"I [MASK] the staff"),
    ("bert-nli", 0, wrong_logit, "a logit differs by up to "),
])
def test_one_wrong_value_of_a_token_or_mask_fails_and_is_named(tmp_path, name, index, spoil, words):
    golden = task_rows(name)
    spoil(golden[index])
    done = verify(tmp_path, golden, "--json", *task_options(name), model=TASKS / name)
    told = done.stderr.decode()
    assert done.returncode == 1 and report(done)["within_bounds"] is False and words in told, told


def test_special_tokens_do_not_count(tmp_path):
    golden = task_rows("bert-ner")
    first_and_last(golden[3])
    assert verify(tmp_path, golden, model=TASKS / "bert-ner").returncode == 0


def test_a_token_of_another_label_is_listed_with_both(tmp_path):
    golden = task_rows("bert-ner")
    row = golden[2]["logits"][1]  # "good"
    row[row.index(max(row))] -= 100
    got = report(verify(tmp_path, golden, "--json", model=TASKS / "bert-ner"))
    (flip,) = got["flipped"]
    assert (flip["line"], flip["token"], flip["token_text"], flip["got"]) == (3, 1, "good", "B-A-B")
    assert flip["golden"] != "B-A-B" and got["clear_flips"] == 1


@pytest.mark.parametrize("name, change, words", [
    ("bert-ner", one_list_less, '"logits" is a list of 2, the text has 3 tokens: want a list of numbers for each'),
    ("bert-mlm", one_list_less, '"logits" is a list of 1, the text has 2 masks: want a list of numbers for each'),
    ("bert-mlm", no_lists, '"logits" is a list of 0, the text has 2 masks'),
    ("bert-ner", lambda row: row.update(logits=[1, 2]), '"logits" has a number, want a list of 7 numbers'),
    ("bert-ner", lambda row: row.update(logits=row["logits"][0]), '"logits" has a number, want a list of 7 numbers'),
    ("bert-ner", lambda row: row["logits"][0].append(1), '"logits" has a list of another length, want a list of 7 numbers'),
    ("bert-mlm", lambda row: row["logits"][1].append(1), "one a token of the vocabulary, for each mask"),
    ("bert-mlm", lambda row: row.pop("logits"), '"logits" is missing, want a list of lists, one for each mask'),
    ("bert-ner", lambda row: row["logits"][0].__setitem__(0, 1e300), "want numbers that a float can hold"),
    ("bert-ner", lambda row: row.update(text_pair="b"), "a pair of texts is not for token-classification"),
    ("bert-mlm", lambda row: row.update(text="none"), "the text has no mask token, want [MASK]"),
])
def test_a_row_of_a_task_that_is_wrong_ends_the_command_with_its_line(tmp_path, name, change, words):
    golden = task_rows(name)
    change(golden[2])
    done = verify(tmp_path, golden, model=TASKS / name)
    told = done.stderr.decode()
    assert done.returncode == 1 and done.stdout == b"" and ": line 3: " in told and words in told, told


def test_texts_without_a_token_to_compare_prove_nothing_and_fail(tmp_path):
    golden = [row for row in task_rows("bert-ner") if not row["text"].strip()]
    done = verify(tmp_path, golden, model=TASKS / "bert-ner")
    assert golden and done.returncode == 1 and "no text has a token to compare" in done.stderr.decode()
