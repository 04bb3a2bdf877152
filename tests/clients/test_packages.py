"""Real client packages, given the address of a running server and nothing else."""
import base64
import json
import math
import shutil
import struct
import subprocess

import pytest

TEXTS = ["I love you.", "I hate you.", "The room is clean."]


def unit(vector):
    length = math.sqrt(sum(x * x for x in vector))
    return abs(length - 1) < 1e-5


def close(a, b, within=1e-6):
    return len(a) == len(b) and all(abs(x - y) <= within for x, y in zip(a, b))


def embed(embedder, **fields):
    answer = embedder.post("/embed", {"inputs": TEXTS, **fields})
    assert answer.status == 200, answer.body
    return answer.json


# --- huggingface_hub

def test_huggingface_hub_classifies(classifier):
    hub = pytest.importorskip("huggingface_hub")
    client = hub.InferenceClient(base_url=classifier.url + "/models/sst2-minilm")
    labels = client.text_classification("I love you.")
    assert [label.label for label in labels] == ["POSITIVE", "NEGATIVE"]
    assert labels[0].score == pytest.approx(0.998, abs=1e-3)
    assert [label.label for label in client.text_classification("I love you.", top_k=1)] == ["POSITIVE"]
    raw = client.text_classification("I love you.", function_to_apply="none")
    assert raw[0].score > 1 > raw[1].score


def test_huggingface_hub_at_the_root_gets_what_the_pipeline_returns(classifier):
    hub = pytest.importorskip("huggingface_hub")
    best = hub.InferenceClient(base_url=classifier.url).text_classification("I love you.")
    assert best.label == "POSITIVE"


@pytest.mark.parametrize("path", ["", "/models/bert-gelu"])
def test_huggingface_hub_extracts_features(embedder, path):
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("numpy")
    client = hub.InferenceClient(base_url=embedder.url + path)
    one = client.feature_extraction("I love you.")
    assert one.shape == (1, 32) and close(one[0].tolist(), embed(embedder)[0])
    raw = client.feature_extraction("I love you.", normalize=False, truncate=True, truncation_direction="left")
    assert not unit(raw[0].tolist())
    assert client.feature_extraction("I love you.", dimensions=8).shape == (1, 8)


def test_huggingface_hub_compares_sentences(embedder):
    hub = pytest.importorskip("huggingface_hub")
    client = hub.InferenceClient(base_url=embedder.url)
    scores = client.sentence_similarity("I love you.", other_sentences=TEXTS)
    first, *_ = vectors = embed(embedder)
    assert close(scores, [sum(a * b for a, b in zip(first, other)) for other in vectors], 1e-5)


def test_huggingface_hub_raises_with_the_servers_words(classifier):
    hub = pytest.importorskip("huggingface_hub")
    client = hub.InferenceClient(base_url=classifier.url + "/models/other")
    with pytest.raises(hub.errors.HfHubHTTPError, match="404"):
        client.text_classification("I love you.")


# --- openai

def openai_client(service, key="none"):
    openai = pytest.importorskip("openai")
    return openai, openai.OpenAI(base_url=service.url + "/v1", api_key=key, max_retries=0)


def test_openai_embeds_by_base64_which_is_its_default_and_by_floats(embedder):
    _, client = openai_client(embedder)
    default = client.embeddings.create(model="any", input=TEXTS)
    floats = client.embeddings.create(model="any", input=TEXTS, encoding_format="float")
    wanted = embed(embedder)
    for answer in (default, floats):
        assert [row.index for row in answer.data] == [0, 1, 2] and answer.model == "bert-gelu"
        assert all(close(row.embedding, vector) for row, vector in zip(answer.data, wanted))
    assert default.usage.total_tokens == default.usage.prompt_tokens > 6


def test_openai_takes_token_ids_and_dimensions(embedder):
    _, client = openai_client(embedder)
    ids = client.embeddings.create(model="any", input=[[2, 3, 4], [5, 6]], encoding_format="float", dimensions=8)
    assert [len(row.embedding) for row in ids.data] == [8, 8] and all(unit(row.embedding) for row in ids.data)
    assert ids.usage.prompt_tokens == 5
    one = client.embeddings.create(model="any", input=[2, 3, 4], encoding_format="float", dimensions=8)
    assert one.data[0].embedding == ids.data[0].embedding


def test_openai_lists_models(embedder):
    openai, client = openai_client(embedder)
    assert [model.id for model in client.models.list()] == ["bert-gelu"]
    assert client.models.retrieve("bert-gelu").owned_by == "linnet"
    with pytest.raises(openai.NotFoundError, match="bert-gelu"):
        client.models.retrieve("other")


def test_openai_raises_its_own_errors(embedder, classifier):
    openai, client = openai_client(embedder)
    with pytest.raises(openai.BadRequestError, match="tokens, the model takes") as caught:
        client.embeddings.create(model="any", input="word " * 700)
    assert caught.value.code == "context_length_exceeded" and caught.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="any", input="a", dimensions=4096)
    with pytest.raises(openai.BadRequestError, match="no embeddings"):
        openai_client(classifier)[1].embeddings.create(model="any", input="a")


def test_openais_javascript_package_embeds(embedder, tmp_path_factory):
    """With node and npm, and the package from npm's registry."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("node and npm are not installed")
    home = tmp_path_factory.mktemp("openai-js")
    had = subprocess.run([npm, "install", "--no-audit", "--no-fund", "openai@6"], cwd=home, capture_output=True, timeout=120)
    if had.returncode:
        pytest.skip("npm cannot install the package openai")
    script = home / "embed.mjs"
    script.write_text("""
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none" });
const answer = await client.embeddings.create({ model: "any", input: ["I love you."] });
console.log(JSON.stringify(answer.data[0].embedding));
""")
    done = subprocess.run([node, script, embedder.url], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert close(json.loads(done.stdout), embed(embedder)[0])


# --- cohere

@pytest.mark.parametrize("version", [1, 2])
def test_cohere_reranks(reranker, version):
    cohere = pytest.importorskip("cohere")
    client = (cohere.Client if version == 1 else cohere.ClientV2)(api_key="none", base_url=reranker.url)
    answer = client.rerank(model="any", query="What is love?", documents=TEXTS, top_n=2)
    own = reranker.post("/rerank", {"query": "What is love?", "texts": TEXTS}).json
    assert [(row.index, row.relevance_score) for row in answer.results] == [(row["index"], row["score"]) for row in own[:2]]
    assert answer.results[0].relevance_score >= answer.results[1].relevance_score


def test_cohere_1_returns_documents_and_warns_of_cut_ones(reranker):
    cohere = pytest.importorskip("cohere")
    client = cohere.Client(api_key="none", base_url=reranker.url)
    answer = client.rerank(model="any", query="love", documents=["short", "word " * 2000], return_documents=True)
    assert {row.document.text[:5] for row in answer.results} == {"short", "word "}
    assert "1 of 2 documents" in answer.meta.warnings[0]


def test_cohere_raises_its_own_errors(reranker, classifier):
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2(api_key="none", base_url=reranker.url)
    with pytest.raises(cohere.BadRequestError, match="empty list"):
        client.rerank(model="any", query="love", documents=[])
    with pytest.raises(cohere.BadRequestError, match="no reranker"):
        cohere.ClientV2(api_key="none", base_url=classifier.url).rerank(model="any", query="a", documents=["b"])


# --- tritonclient

@pytest.fixture(scope="module")
def triton():
    pytest.importorskip("gevent")
    return pytest.importorskip("tritonclient.http")


def triton_client(triton, service):
    return triton.InferenceServerClient(url=service.url.removeprefix("http://"))


def text_tensor(triton, texts, name="text", **options):
    numpy = pytest.importorskip("numpy")
    tensor = triton.InferInput(name, [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=object), **options)
    return tensor


def test_tritonclient_sees_the_server_and_the_model(triton, classifier):
    client = triton_client(triton, classifier)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("sst2-minilm")
    assert client.is_model_ready("sst2-minilm", "1") and not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "linnet"
    metadata = client.get_model_metadata("sst2-minilm")
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert {"name": "scores", "datatype": "FP32", "shape": [-1, 2]} in metadata["outputs"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [None, True, False])
def test_tritonclient_infers_with_binary_tensors_and_json_ones(triton, classifier, binary_in, binary_out):
    client = triton_client(triton, classifier)
    outputs = None if binary_out is None else [triton.InferRequestedOutput("scores", binary_data=binary_out)]
    answer = client.infer("sst2-minilm", [text_tensor(triton, TEXTS, binary_data=binary_in)], outputs=outputs,
                          request_id="7")
    scores = answer.as_numpy("scores")
    assert scores.shape == (3, 2) and answer.get_response()["id"] == "7"
    for row, text in zip(scores, TEXTS):
        own = {label["label"]: label["score"] for label in classifier.post("/predict", {"inputs": text}).json}
        assert close(row.tolist(), [own["NEGATIVE"], own["POSITIVE"]], 1e-7)
    assert (answer.as_numpy("logits") is None) == (binary_out is not None)


def test_tritonclient_infers_pairs_and_embeddings(triton, classifier, embedder):
    pairs = triton_client(triton, classifier).infer(
        "sst2-minilm", [text_tensor(triton, TEXTS), text_tensor(triton, TEXTS[::-1], "text_pair")])
    own = classifier.post("/predict", {"inputs": [TEXTS[0], TEXTS[2]], "raw_scores": True}).json
    assert close(sorted(pairs.as_numpy("logits")[0].tolist(), reverse=True), [label["score"] for label in own], 1e-6)
    vectors = triton_client(triton, embedder).infer("bert-gelu", [text_tensor(triton, TEXTS)]).as_numpy("embedding")
    raw = embed(embedder, normalize=False)
    assert all(close(got.tolist(), want) for got, want in zip(vectors, raw))


def test_tritonclient_raises_with_the_servers_words(triton, classifier):
    from tritonclient.utils import InferenceServerException

    client = triton_client(triton, classifier)
    for model, tensor, words in (("other", text_tensor(triton, TEXTS), "sst2-minilm"),
                                 ("sst2-minilm", text_tensor(triton, TEXTS, "texts"), 'want "text"')):
        with pytest.raises(InferenceServerException, match=words):
            client.infer(model, [tensor])


# --- requests, for text-embeddings-inference, which has no package of its own

def test_requests_gets_what_text_embeddings_inference_answers(embedder):
    requests = pytest.importorskip("requests")

    def post(path, **body):
        answer = requests.post(embedder.url + path, json=body, timeout=300)
        assert answer.status_code == 200, answer.text
        return answer

    vectors = post("/embed", inputs=TEXTS).json()
    assert [len(vector) for vector in vectors] == [32] * 3 and all(map(unit, vectors))
    alone = post("/embed", inputs=TEXTS[1])
    assert alone.json() == [vectors[1]]
    for name in ("x-compute-time", "x-total-time", "x-queue-time", "x-tokenization-time", "x-inference-time",
                 "x-compute-tokens", "x-compute-characters"):
        assert alone.headers[name].isdigit(), name
    assert alone.headers["x-compute-characters"] == "11"
    states = post("/embed_all", inputs=TEXTS[0]).json()[0]
    mean = [sum(column) / len(states) for column in zip(*states)]
    assert close(mean, embed(embedder, normalize=False)[0], 1e-5)
    encoded = post("/embed", inputs=TEXTS[0], encoding_format="base64").json()[0]
    assert close(struct.unpack("<32f", base64.b64decode(encoded)), vectors[0])
    assert post("/similarity", inputs={"source_sentence": TEXTS[0], "sentences": TEXTS[:1]}).json() == [pytest.approx(1)]


def test_requests_gets_sparse_embeddings_as_text_embeddings_inference_answers(splade_model):
    requests = pytest.importorskip("requests")
    answer = requests.post(splade_model.url + "/embed_sparse", json={"inputs": TEXTS}, timeout=300)
    assert answer.status_code == 200 and answer.headers["x-compute-tokens"].isdigit()
    for values in answer.json():
        indices = [value["index"] for value in values]
        assert values and indices == sorted(set(indices)) and indices[-1] < 231 and all(value["value"] > 0 for value in values)
    refused = requests.post(splade_model.url + "/embed", json={"inputs": TEXTS}, timeout=300)
    assert refused.status_code == 424 and refused.json()["error_type"] == "Backend"
