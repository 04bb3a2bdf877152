"""What the dialects have in common: one table of routes, lists in parts, errors in each one's form."""
import re
import socket
import time

import pytest

from service import MODELS, ROOT

TABLE = (ROOT / "src/api/routes.c").read_text()


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    from service import Service

    service = Service(tmp_path_factory.mktemp("embedder") / "log", MODELS / "bert-gelu", "--task", "feature-extraction",
                      "--max-client-batch-size", 4)
    yield service
    assert service.end() == 0


def test_openapi_and_docs_list_every_path_of_the_router(server):
    paths = set(re.findall(r'^    (?:POST|GET|GET_TYPE|PROBE|INFER)\("([^"]+)"', TABLE, re.M))
    openapi = server.get("/openapi.json").json
    assert len(paths) > 25 and set(openapi["paths"]) == paths and openapi["openapi"] == "3.1.0"
    page = server.get("/docs").body.decode()
    assert all(path in page for path in paths)


def test_every_path_is_answered_as_openapi_says_and_no_other_method_is(server):
    for path, methods in server.get("/openapi.json").json["paths"].items():
        real = path.replace("{model}", "sst2-minilm").replace("{version}", "1")
        for method in ("GET", "POST", "PUT", "DELETE"):
            status = server.request(method, real, "{}" if method in ("POST", "PUT") else None).status
            assert (status == 405) == (method.lower() not in methods) and status not in (404, 500), (method, real, status)
        options = server.request("OPTIONS", real)
        assert options.status == 204 and set(options.fields["allow"].lower().split(", ")) >= set(methods)


@pytest.fixture(scope="module")
def shared_with_pages(tmp_path_factory):
    """Two origins' pages may call, with a key."""
    from service import Service

    service = Service(tmp_path_factory.mktemp("origins") / "log", "--cors-allow-origin", "https://a.example", "--cors-allow-origin",
                      "http://localhost:3000", "--api-key", "secret")
    yield service
    assert service.end() == 0


@pytest.mark.parametrize("path, method, allowed", [
    ("/predict", "POST", "POST, OPTIONS"), ("/", "POST", "POST, GET, HEAD, OPTIONS"), ("/info", "GET", "GET, HEAD, OPTIONS")])
def test_a_preflight_needs_no_key_and_names_the_methods_of_its_path(shared_with_pages, path, method, allowed):
    for origin in ("https://a.example", "http://localhost:3000"):
        answer = shared_with_pages.request("OPTIONS", path, origin=origin, access_control_request_method=method,
                                           access_control_request_headers="authorization,content-type,x-stainless-lang")
        assert answer.status == 204 and answer.fields["access-control-allow-origin"] == origin
        assert answer.fields["access-control-allow-methods"] == allowed
        assert set(answer.fields["access-control-allow-headers"].lower().split(", ")) >= {"authorization", "content-type", "*"}
    assert shared_with_pages.request("OPTIONS", path).status == 401
    other = shared_with_pages.request("OPTIONS", path, origin="https://b.example", access_control_request_method=method)
    assert not any(name.startswith("access-control") for name in other.fields)


def test_a_page_may_read_what_its_call_is_answered(shared_with_pages):
    for key, status in (("secret", 200), ("wrong", 401)):
        answer = shared_with_pages.post("/predict", {"inputs": "a"}, origin="https://a.example", authorization=f"Bearer {key}")
        assert answer.status == status and answer.fields["access-control-allow-origin"] == "https://a.example"
        assert answer.fields["access-control-expose-headers"] == "*" and answer.fields["vary"] == "Origin"


def test_docs_load_nothing_from_elsewhere_and_run_nothing(server):
    page, style = server.get("/docs"), server.get("/docs/style.css")
    for answer in (page, style):
        assert "default-src 'none'" in answer.fields["content-security-policy"]
    assert page.fields["content-type"] == "text/html; charset=utf-8" and style.fields["content-type"].startswith("text/css")
    text = page.body.decode()
    assert "<script" not in text and "style=" not in text and not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_docs_examples_are_answered(server, embedder):
    import html
    import json

    shown = re.findall(r"curl http://[^/]+(/\S*) .*?-d '(.*)'</code>", server.get("/docs").body.decode())
    assert len(shown) > 10
    answered = {path: server.post(path, html.unescape(body)).status for path, body in shown}
    answered_by_embedder = {path: embedder.post(path.replace("sst2-minilm", "bert-gelu"), html.unescape(body)).status
                            for path, body in shown}
    wrong_model = {422, 424, 400}
    for path, body in shown:
        json.loads(html.unescape(body))
        statuses = {answered[path], answered_by_embedder[path]}
        assert 200 in statuses or (path.endswith(("rerank", "/embed_sparse")) and statuses <= wrong_model), (path, statuses)


def test_paths_that_only_text_embeddings_inference_has_are_answered(embedder):
    text = {"input": "I love you."}
    assert embedder.post("/embeddings", text).body == embedder.post("/v1/embeddings", text).body
    assert embedder.get("/api-doc/openapi.json").json == embedder.get("/openapi.json").json
    sparse = embedder.post("/embed_sparse", {"inputs": "I love you."})
    assert sparse.status == 424 and "SPLADE" in sparse.json["error"] and sparse.json["error_type"] == "Backend"


def test_vertex_answers_each_instance_as_its_own_path_would(server, embedder, serve):
    reranker = serve(MODELS / "bert-one-label")
    for service, path, instances in [
        (embedder, "/embed", [{"inputs": "a"}, {"inputs": ["b", "a c"] * 4}, {"inputs": [2, 3], "encoding_format": "base64"}]),
        (server, "/predict", [{"inputs": "a"}, {"inputs": ["a", "b"]}, {"inputs": [["b"], ["c", "d"]], "raw_scores": True}]),
        (reranker, "/rerank", [{"query": "a", "texts": ["b", "c", "d"]}, {"query": "e", "texts": ["f"], "return_text": True}]),
    ]:
        answer = service.post("/vertex", {"instances": instances})
        assert answer.status == 200, answer.body
        assert answer.json == {"predictions": [service.post(path, instance).json for instance in instances]}
        assert int(answer.fields["x-compute-tokens"]) > len(instances)


@pytest.mark.parametrize("body, status, words", [
    ({}, 422, '"instances" is missing'), ({"instances": {}}, 422, "an object"), ({"instances": []}, 400, "empty"),
    ({"instances": [{"inputs": "a"}, {"input": "a"}]}, 422, "instances[1]: "),
    ({"instances": [{"inputs": "a"}, {"inputs": "a", "normalize": False}]}, 422, "the same for all"),
    ({"instances": [{"inputs": "a"}, {"inputs": "word " * 700}]}, 413, "tokens"),
    ({"instances": [{}] * 65537}, 413, "at most 65536"),
])
def test_a_wrong_instance_is_named(embedder, body, status, words):
    answer = embedder.post("/vertex", body)
    assert answer.status == status and words in answer.json["error"], answer.body


def test_the_root_of_a_reranker_takes_what_rerank_takes(serve):
    server = serve(MODELS / "bert-one-label")
    body = {"query": "What is love?", "texts": ["A feeling.", "A street."], "return_text": True}
    assert server.post("/", body).json == server.post("/rerank", body).json
    assert server.post("/", {"inputs": "A feeling."}).json == server.post("/age", {"inputs": "A feeling."}).json


@pytest.mark.parametrize("path, body", [
    ("/embed", lambda texts: {"inputs": texts}),
    ("/v1/embeddings", lambda texts: {"input": texts}),
])
def test_a_list_over_the_limit_is_computed_in_parts(embedder, path, body):
    texts = [f"text {number}" for number in range(23)]
    whole = embedder.post(path, body(texts))
    assert whole.status == 200

    def vectors(answer):
        return answer if isinstance(answer, list) else [row["embedding"] for row in answer["data"]]

    alone = [vectors(embedder.post(path, body([text])).json)[0] for text in texts]
    assert vectors(whole.json) == alone
    metrics = embedder.get("/metrics").body.decode()
    assert re.search(r'linnet_batch_items_bucket\{le="4"\} (\d+)', metrics)[1] == re.search(
        r"linnet_batch_items_count (\d+)", metrics)[1]


def test_an_error_in_a_later_part_names_the_text(embedder):
    answer = embedder.post("/embed", {"inputs": ["a"] * 9 + ["word " * 700] + ["a"] * 5})
    assert answer.status == 413 and "inputs[9]" in answer.json["error"]


@pytest.mark.parametrize("source, sentences, name", [
    ("word " * 700, ["a"], "source_sentence"), ("a", ["word " * 700], "sentences[0]"), ("a", ["b", "word " * 700], "sentences[1]")])
def test_an_error_of_a_similarity_names_the_text(embedder, source, sentences, name):
    answer = embedder.post("/similarity", {"inputs": {"source_sentence": source, "sentences": sentences}})
    assert answer.status == 413 and answer.json["error"].startswith(f"{name}: "), answer.json


def test_token_ids_are_taken_as_they_are_and_checked(embedder):
    ids = embedder.post("/embed", {"inputs": [[2, 3, 4], [2, 3]]})
    assert ids.status == 200 and ids.fields["x-compute-tokens"] == "5"
    for wrong in ([2, 10 ** 6], [2, -1], [2, 1.5], [2, "a"], []):
        assert embedder.post("/embed", {"inputs": [[2, 3], wrong]}).status in (400, 422), wrong


def test_truncated_texts_are_counted_in_the_header(embedder):
    long = "word " * 700
    answer = embedder.post("/embed", {"inputs": ["a", long, long], "truncate": True})
    assert answer.status == 200 and answer.fields["x-truncated-texts"] == "2"
    assert "x-truncated-texts" not in embedder.post("/embed", {"inputs": "a"}).fields


def test_a_prompt_is_put_before_each_text(serve, embedder):
    server = serve(MODELS / "bert-gelu", "--task", "feature-extraction", "--default-prompt", "query: ")
    assert server.post("/embed", {"inputs": "a b"}).json == embedder.post("/embed", {"inputs": "query: a b"}).json
    answer = server.post("/embed", {"inputs": "a", "prompt_name": "passage"})
    assert answer.status == 422 and "passage" in answer.json["error"]


def test_an_embedding_that_the_model_s_files_truncate_is_as_short_in_every_dialect(serve):
    """And of length 1 where the dialect says so; the Open Inference Protocol gives what encode() gives."""
    server = serve(MODELS.parent / "embeddings/truncated")
    info = server.get("/info").json["linnet"]
    assert info["dimensions"] == 5 and info["normalises"] is False
    (row,) = server.post("/embed", {"inputs": "the food"}).json
    assert len(row) == 5 and sum(x * x for x in row) == pytest.approx(1, abs=1e-5)
    assert server.post("/v1/embeddings", {"input": "the food"}).json["data"][0]["embedding"] == pytest.approx(row, abs=1e-6)
    answer = server.post("/v1/embeddings", {"input": "the food", "dimensions": 6})
    assert answer.status == 400 and "dimensions" in answer.json["error"]["message"] and "have 5" in answer.json["error"]["message"]
    (short,) = server.post("/embed", {"inputs": "the food", "dimensions": 3}).json
    length = sum(x * x for x in row[:3]) ** 0.5
    assert short == pytest.approx([x / length for x in row[:3]], abs=1e-5)
    (bare,) = server.post("/embed", {"inputs": "the food", "normalize": False}).json
    assert len(bare) == 5 and bare[0] / bare[1] == pytest.approx(row[0] / row[1], rel=1e-3)


@pytest.mark.parametrize("path, body, status, words", [
    ("/embed", {"inputs": "a", "normalise": True}, 422, 'did you mean "normalize"'),
    ("/embed", {}, 422, '"inputs" is missing'),
    ("/embed", {"inputs": []}, 400, "empty list"),
    ("/embed", {"inputs": ["a", 7]}, 422, "inputs[1]"),
    ("/embed", {"inputs": "a", "dimensions": 33}, 422, "have 32"),
    ("/embed", [], 422, "the body is a list"),
    ("/similarity", {"inputs": {"source_sentence": "a"}}, 422, "source_sentence"),
    ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 400, "empty"),
    ("/rerank", {"query": "a", "texts": ["b"]}, 424, "no reranker"),
    ("/predict", {"inputs": "a"}, 424, "classifies"),
    ("/", {"inputs": ["a"], "top_k": 1}, 422, "top_k"),
    ("/age", {"inputs": "a"}, 422, "no embeddings"),
])
def test_errors_say_what_would_be_right(embedder, path, body, status, words):
    answer = embedder.post(path, body)
    assert answer.status == status and words in answer.json["error"], answer.body


def test_what_the_http_server_refuses_is_told_in_the_form_of_the_path_s_dialect(serve):
    server = serve("--payload-limit", 100)
    large = {"inputs": "a" * 200}
    assert set(server.post("/age", large).json) == set(server.post("/predict", large).json) == {"error", "error_type"}
    assert server.post("/v1/embeddings", large).json["error"]["code"] == "too_large"
    assert set(server.post("/v2/rerank", large).json) == {"message", "detail"}
    assert set(server.post("/v2/models/sst2-minilm/infer", large).json) == {"error"}
    assert {server.post(path, large).status for path in ("/age", "/v1/embeddings", "/v2/rerank")} == {413}


@pytest.mark.parametrize("path, word", [("/age", "overloaded"), ("/embed", "Overloaded"), ("/v1/embeddings", "rate_limit_exceeded")])
def test_overload_goes_by_one_word_of_the_dialect_wherever_it_is_noticed(serve, path, word):
    server = serve("--payload-limit-all", 100, "--payload-limit", 100, MODELS / "bert-gelu", "--task", "feature-extraction")
    with socket.create_connection(("127.0.0.1", server.port)) as other:
        other.sendall(b"POST /age HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" + b" " * 60)
        time.sleep(0.2)
        answer = server.post(path, {"input": "a" * 60})
    assert answer.status == 503 and word in (answer.json.get("error_type"), answer.json["error"]["code"] if path[1] == "v" else None)


@pytest.mark.parametrize("tensor, words", [
    ({"name": "text", "datatype": "BYTES", "shape": [3], "data": ["a"]}, "its shape says 3"),
    ({"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a", "b"]}, "more data than its shape says"),
    ({"name": "text", "datatype": "FP32", "shape": [1], "data": [1]}, "BYTES"),
    ({"name": "text", "datatype": "BYTES", "data": ["a"]}, "wants a shape"),
    ({"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 99}}, "binary_data_size"),
    ({"name": "text", "datatype": "BYTES", "shape": [65536, 65536], "data": []}, "more than"),
    ({"name": "other"}, 'want "text"'),
])
def test_tensors_that_contradict_themselves_are_refused(server, tensor, words):
    answer = server.post("/v2/models/sst2-minilm/infer", {"inputs": [tensor]})
    assert answer.status == 400 and words in answer.json["error"], answer.body


@pytest.mark.parametrize("length, tail, words", [
    ("999", b"", "the body has"), ("x", b"", "x"), (None, b"\x05\0\0\0ab", "cut short"), (None, b"\x02\0\0\0\xff\xff", "no UTF-8"),
    (None, b"\x01\0\0\0a!", "more than its shape"),
])
def test_binary_tensors_that_do_not_fit_are_refused(server, length, tail, words):
    import json

    head = json.dumps({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1],
                                   "parameters": {"binary_data_size": len(tail)}}]}).encode()
    answer = server.post("/v2/models/sst2-minilm/infer", head + tail, content_type="application/octet-stream",
                         inference_header_content_length=length or str(len(head)))
    assert answer.status == 400 and words in answer.json["error"], answer.body
