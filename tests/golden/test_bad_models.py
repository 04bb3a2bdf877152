"""Every model of make_bad_models.py is refused: in one line that names the fault, quickly, in bounded memory."""

import json
import re
import struct

import make_bad_models
import pytest
from linnet import GOLDEN, OPEN_MODEL, run, write_texts
from make_bad_models import CASES, WEIGHTS
from pace import SLOWNESS

MEMORY = 2 << 30  # of address space, in bytes
SECONDS = 5 * SLOWNESS
TINY = sorted(path for path in (GOLDEN / "models").iterdir())


@pytest.fixture(scope="session")
def bad_models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad")
    make_bad_models.write_all(directory)
    return directory


@pytest.fixture(scope="session")
def kinds(bad_models):
    """The error kind of each case, all of them opened one after the other in one process."""
    done = run(*(bad_models / case.name for case in CASES), executable=OPEN_MODEL, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    return {case.name: line.split("\t")[0] for case, line in zip(CASES, lines, strict=True)}


def assert_refused(done, pattern):
    error = done.stderr.decode()
    assert done.returncode >= 0, f"ended by signal {-done.returncode}: {error}"
    assert done.returncode > 0, "was accepted"
    assert not done.stdout
    assert error.count("\n") == 1 and error.endswith("\n"), error
    assert error[:-1].isprintable(), error
    assert re.search(pattern, error), error


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_model_is_refused_in_one_line_that_names_the_fault(bad_models, tmp_path, case):
    write_texts(tmp_path / "texts.jsonl", [{"text": "good"}])
    texts = tmp_path / "texts.jsonl"
    done = run("run", bad_models / case.name, texts, "--input", "jsonl", timeout=SECONDS, address_space=MEMORY)
    assert_refused(done, case.pattern)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_info_refuses_a_bad_model_too(bad_models, case):
    done = run("info", bad_models / case.name, timeout=SECONDS, address_space=MEMORY)
    assert_refused(done, case.pattern)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_model_is_refused_with_the_right_kind_of_error(kinds, case):
    assert kinds[case.name] in case.kind.split("|")


def test_every_golden_model_opens_in_the_process_that_refuses_the_bad_ones():
    done = run(*TINY, executable=OPEN_MODEL, timeout=600)
    assert done.stdout.decode().splitlines() == ["none\t"] * len(TINY), done.stdout.decode()


def test_a_model_directory_that_does_not_exist_is_named():
    assert_refused(run("info", "./no-such-model-here"), "no-such-model-here")


# --- models that open but fail at one text ---


def edited_model(directory, edit):
    files = {path.name: path.read_bytes() for path in (make_bad_models.GOLDEN / "models/bert-gelu").iterdir()}
    edit(files)
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def token_past_the_embeddings(files):
    tokenizer = json.loads(files["tokenizer.json"])
    tokenizer["model"]["vocab"]["good"] = 5000
    files["tokenizer.json"] = json.dumps(tokenizer).encode()


def embedding_of(value):
    """The first element of the embedding of "good" becomes `value`."""

    def edit(files):
        header, data = make_bad_models.split(files[WEIGHTS])
        entry = header["bert.embeddings.word_embeddings.weight"]
        token = json.loads(files["tokenizer.json"])["model"]["vocab"]["good"]
        place = entry["data_offsets"][0] + token * entry["shape"][1] * 4
        data = data[:place] + struct.pack("<f", value) + data[place + 4 :]
        files[WEIGHTS] = make_bad_models.join(header, data)

    return edit


@pytest.mark.parametrize(
    "edit, pattern",
    [
        (token_past_the_embeddings, r"5000"),
        (embedding_of(float("nan")), r"NaN|infinit"),
        (embedding_of(float("inf")), r"NaN|infinit"),
    ],
    ids=["a-token-past-the-embeddings", "nan", "infinity"],
)
def test_a_text_that_a_model_cannot_answer_fails_alone_and_its_neighbours_are_answered(tmp_path, edit, pattern):
    rows = [{"text": "I love it"}, {"text": "good"}, {"text": "I hate it"}]
    texts = tmp_path / "texts.jsonl"
    write_texts(texts, rows)
    done = run("run", edited_model(tmp_path / "model", edit), texts, "--input", "jsonl", "--logits")
    whole = run("run", make_bad_models.GOLDEN / "models/bert-gelu", texts, "--input", "jsonl", "--logits")
    good = whole.stdout.decode().splitlines()
    assert done.stdout.decode().splitlines() == [good[0], good[2]]
    first = done.stderr.decode().splitlines()[0]
    assert "line 2" in first and re.search(pattern, first), first
    assert done.returncode > 0
