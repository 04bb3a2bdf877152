"""POST /embed_sparse, as text-embeddings-inference 1.9 answers it; the numbers themselves are tests/golden/test_sparse.py's."""
import base64
import re
import struct

import pytest

from forms import GOLDEN, write_form
from service import MODELS, Service, linnet

MASKED_LM = GOLDEN / "tasks/bert-mlm"  # 231 tokens, of which a text may have 48
LONG = "word " * 100


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("sparse") / "log", MASKED_LM, "--pooling", "splade", "--max-client-batch-size", 4)
    yield service
    assert service.end() == 0


def embeddings(service, inputs, path="/embed_sparse", **fields):
    answer = service.post(path, {"inputs": inputs, **fields})
    assert answer.status == 200, answer.body
    for values in answer.json:
        indices = [value["index"] for value in values]
        assert indices == sorted(set(indices)) and all(set(value) == {"index", "value"} for value in values)
        assert all(value["value"] > 0 for value in values) and indices
    return answer.json


def test_a_text_a_list_and_token_ids_are_embedded(sparse):
    both = embeddings(sparse, ["good food", "slow"])
    assert embeddings(sparse, "good food") == both[:1] and embeddings(sparse, "slow") == both[1:]
    ids = sparse.post("/tokenize", {"inputs": ["good food"]}).json[0]
    assert embeddings(sparse, [[token["id"] for token in ids]]) == both[:1]


def test_the_server_gives_what_run_writes(sparse):
    import json

    done = linnet("run", "--pooling", "splade", MASKED_LM, stdin=b"good food\nslow\n")
    lines = [json.loads(line)["sparse_embedding"] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and embeddings(sparse, ["good food", "slow"]) == lines


def test_a_list_over_the_limit_is_computed_in_parts(sparse):
    texts = [f"food {number} " + "slow " * number for number in range(23)]
    whole = embeddings(sparse, texts)
    assert whole == [embeddings(sparse, text)[0] for text in texts]
    assert len({str(values) for values in whole}) == len(texts)
    answer = sparse.post("/embed_sparse", {"inputs": ["a"] * 9 + [LONG] + ["a"] * 5})
    assert answer.status == 413 and "inputs[9]" in answer.json["error"]


def test_headers_and_metrics_are_those_of_embed(sparse):
    before = float(re.search(r"^te_embed_count (\S+)", sparse.get("/metrics").body.decode(), re.M)[1])
    answer = sparse.post("/embed_sparse", {"inputs": ["good", LONG, LONG], "truncate": True})
    assert answer.status == 200 and answer.fields["x-truncated-texts"] == "2"
    for name in ("x-compute-time", "x-total-time", "x-queue-time", "x-tokenization-time", "x-inference-time",
                 "x-compute-tokens", "x-compute-characters"):
        assert answer.fields[name].isdigit(), name
    metrics = sparse.get("/metrics").body.decode()
    assert float(re.search(r"^te_embed_count (\S+)", metrics, re.M)[1]) == before + 3
    assert 'path="/embed_sparse"' in metrics


def test_the_side_that_is_cut_can_be_chosen(sparse):
    text = "good " * 60 + "slow " * 60
    right, left = (embeddings(sparse, text, truncate=True, truncation_direction=side) for side in ("Right", "Left"))
    assert right != left and right == embeddings(sparse, "good " * 46) and left == embeddings(sparse, "slow " * 46)


def test_root_and_vertex_mean_sparse_embeddings(sparse):
    wanted = embeddings(sparse, ["good food", "slow"])
    assert embeddings(sparse, ["good food", "slow"], path="/") == wanted
    vertex = sparse.post("/vertex", {"instances": [{"inputs": "good food"}, {"inputs": ["slow", "good food", "slow"] * 3}]})
    assert vertex.status == 200 and vertex.json["predictions"][0] == wanted[:1]
    assert vertex.json["predictions"][1] == [wanted[1], wanted[0], wanted[1]] * 3


def test_embed_gives_all_numbers_where_they_need_not_be_scaled(sparse):
    wanted, = embeddings(sparse, "good food")
    vector, = sparse.post("/embed", {"inputs": "good food", "normalize": False}).json
    assert len(vector) == 231 and {index: value for index, value in enumerate(vector) if value} == {
        value["index"]: value["value"] for value in wanted}
    encoded, = sparse.post("/embed", {"inputs": "good food", "normalize": False, "encoding_format": "base64"}).json
    assert struct.unpack("<231f", base64.b64decode(encoded)) == pytest.approx(vector)
    assert sparse.post("/embed", {"inputs": ["good food"], "normalize": False, "dimensions": 9}).json == [vector[:9]]


@pytest.mark.parametrize("path, body, status, kind, words", [
    ("/embed", {"inputs": "a"}, 424, "Backend", "`normalize` is not available for SPLADE models"),
    ("/embed", {"inputs": "a", "normalize": True}, 424, "Backend", "/embed_sparse"),
    ("/embed_all", {"inputs": "a"}, 424, "Backend", "/embed_sparse"),
    ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}}, 424, "Backend", "/embed_sparse"),
    ("/predict", {"inputs": "a"}, 424, "Backend", "classifies"),
    ("/embed_sparse", {"inputs": LONG}, 413, "Validation", "takes 48"),
    ("/embed_sparse", {"inputs": []}, 400, "Empty", "empty list"),
    ("/embed_sparse", {"inputs": ["a", 7]}, 422, "Tokenizer", "inputs[1]"),
    ("/embed_sparse", {"inputs": [[2, 10 ** 6]]}, 422, "Tokenizer", "ends at 230"),
    ("/embed_sparse", {"inputs": "a", "normalize": False}, 422, "Tokenizer", '"normalize" is unknown'),
    ("/embed_sparse", {"inputs": "a", "prompt_name": "query"}, 422, "Tokenizer", "it has none"),
    ("/embed_sparse", "{", 400, "Validation", "line 1"),
    ("/age", {"inputs": "a"}, 422, "bad_input", "no embeddings"),
])
def test_errors_say_what_would_be_right(sparse, path, body, status, kind, words):
    answer = sparse.post(path, body)
    assert answer.status == status and words in answer.json["error"] and answer.json["error_type"] == kind, answer.body


def test_other_dialects_say_where_sparse_embeddings_are(sparse):
    openai = sparse.post("/v1/embeddings", {"input": "a"})
    assert openai.status == 400 and "/embed_sparse" in openai.json["error"]["message"]
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}
    assert sparse.post("/v2/models/bert-mlm/infer", {"inputs": [tensor]}).status == 400


@pytest.mark.parametrize("arguments, words", [
    ([], "text-classification"),
    ([MODELS / "bert-gelu", "--task", "feature-extraction"], "feature-extraction"),
    ([MASKED_LM], "serve it with --pooling splade"),
])
def test_a_model_of_another_kind_is_none_with_splade_pooling(serve, arguments, words):
    answer = serve(*arguments).post("/embed_sparse", {"inputs": "a"})
    assert answer.status == 424 and answer.json["error_type"] == "Backend"
    assert "is not an embedding model with SPLADE pooling" in answer.json["error"] and words in answer.json["error"]


def test_info_and_openapi_say_what_is_served(sparse):
    info = sparse.get("/info").json
    assert info["model_type"] == {"embedding": {"pooling": "splade"}} and info["max_input_length"] == 48
    assert info["linnet"]["task"] == "sparse-embedding" and info["linnet"]["dimensions"] == 231
    openapi = sparse.get("/openapi.json").json
    served = {path for path, methods in openapi["paths"].items() if methods.get("post", {}).get("x-served")}
    assert {"/embed_sparse", "/vertex", "/tokenize", "/"} <= served and not served & {"/embed", "/predict", "/v1/embeddings"}
    ids = openapi["components"]["schemas"]["SparseTokenIds"]
    assert ids["maxItems"] == 48 and ids["items"]["maximum"] == 230
    assert "/embed_sparse" in sparse.get("/docs").body.decode()
    assert "/embed_sparse" in sparse.log.read_text()  # the example that the start prints


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """An embedder and two of sparse embeddings, behind a key."""
    folder = tmp_path_factory.mktemp("several")
    service = Service(folder / "log", f"dense={GOLDEN / 'embeddings/mean'}", f"old={write_form('old', folder / 'old')}",
                      f"sums={write_form('new-sum', folder / 'sums')}", "--api-key", "secret")
    yield service
    assert service.end() == 0


def test_of_several_models_the_first_that_can_answers_and_each_by_name(several):
    def post(path, **body):
        answer = several.post(path, body, authorization="Bearer secret")
        assert answer.status == 200, answer.body
        return answer.json

    first = post("/embed_sparse", inputs="good food")
    assert post("/models/old/embed_sparse", inputs="good food") == first
    assert post("/models/old/embed_sparse", inputs="good food", prompt_name="document") != first
    sums = post("/models/sums/embed_sparse", inputs="good food")
    assert sums != first and len(sums) == 1
    assert len(post("/embed", inputs="good food")[0]) == 32
    assert several.post("/embed_sparse", {"inputs": "a"}).status == 401
    refused = several.post("/models/dense/embed_sparse", {"inputs": "a"}, authorization="Bearer secret")
    assert refused.status == 424 and "dense is not" in refused.json["error"]


def test_a_server_prompt_is_put_before_each_text(serve, tmp_path):
    directory = write_form("old", tmp_path / "old")
    plain = serve(directory, "--default-prompt-name", "document")
    asked = serve(directory, "--default-prompt", "query: ")
    assert embeddings(plain, "query: good") == embeddings(asked, "good") == embeddings(plain, "good", prompt_name="query")
