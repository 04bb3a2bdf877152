"""Every model of make_bad_models.py is refused: in one line that names the fault, quickly, in bounded memory."""

import re

import make_bad_models
import pytest
from linnet import run

MEMORY = 2 << 30  # of address space, in bytes
SECONDS = 5


@pytest.fixture(scope="session")
def bad_models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad")
    make_bad_models.write_all(directory)
    return directory


def assert_refused(done, pattern):
    error = done.stderr.decode()
    assert done.returncode > 0, f"ended by signal {-done.returncode}" if done.returncode else "was accepted"
    assert not done.stdout
    assert error.count("\n") == 1 and error.endswith("\n"), error
    assert error[:-1].isprintable(), error
    assert re.search(pattern, error), error


@pytest.mark.parametrize("case", make_bad_models.CASES, ids=lambda case: case.name)
def test_a_bad_model_is_refused_in_one_line_that_names_the_fault(bad_models, tmp_path, case):
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "good"}\n', encoding="utf-8")
    done = run(
        "run", bad_models / case.name, texts, "--input", "jsonl", timeout=SECONDS, address_space=MEMORY
    )
    assert_refused(done, case.pattern)


@pytest.mark.parametrize("case", make_bad_models.CASES, ids=lambda case: case.name)
def test_info_refuses_a_bad_model_too(bad_models, case):
    done = run("info", bad_models / case.name, timeout=SECONDS, address_space=MEMORY)
    assert_refused(done, case.pattern)


def test_a_model_directory_that_does_not_exist_is_named():
    assert_refused(run("info", "./no-such-model-here"), "no-such-model-here")
