"""A server of each kind of model, for clients that take an address and no more."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "service"))

from service import MODELS, ROOT, Service  # noqa: E402

EMBEDDER = ROOT / "tests/golden/embeddings/prompted"
TASKS = ROOT / "tests/golden/tasks"


def started(tmp_path_factory, name, *arguments):
    service = Service(tmp_path_factory.mktemp(name) / "log", *arguments)
    service.url = f"http://127.0.0.1:{service.port}"
    return service


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    """The embedded sentiment model, called sst2-minilm."""
    service = started(tmp_path_factory, "classifier")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def embedder(tmp_path_factory):
    """A tiny random encoder, called bert-gelu, whose embeddings have 32 dimensions."""
    service = started(tmp_path_factory, "embedder", MODELS / "bert-gelu", "--task", "feature-extraction")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def splade_model(tmp_path_factory):
    """A tiny random masked language model, called bert-mlm, whose sparse embeddings have 231 dimensions."""
    service = started(tmp_path_factory, "splade_model", ROOT / "tests/golden/tasks/bert-mlm", "--pooling", "splade")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def several(tmp_path_factory):
    """A classifier called mood, an embedder vectors and a reranker ranks in one process."""
    service = started(tmp_path_factory, "several", f"mood={MODELS / 'bert-gelu'}", f"vectors={EMBEDDER}", f"ranks={MODELS / 'bert-one-label'}")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def reranker(tmp_path_factory):
    """A tiny random cross-encoder, called bert-one-label."""
    service = started(tmp_path_factory, "reranker", MODELS / "bert-one-label")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def tagger(tmp_path_factory):
    """A tiny random token classifier, called bert-ner."""
    service = started(tmp_path_factory, "tagger", TASKS / "bert-ner")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def filler(tmp_path_factory):
    """A tiny random masked language model, called bert-mlm."""
    service = started(tmp_path_factory, "filler", TASKS / "bert-mlm")
    yield service
    assert service.end() == 0


@pytest.fixture(scope="session")
def sorter(tmp_path_factory):
    """A tiny random model of natural language inference for zero-shot classification, called bert-nli."""
    service = started(tmp_path_factory, "sorter", TASKS / "bert-nli", "--task", "zero-shot-classification")
    yield service
    assert service.end() == 0
