"""The flags and environment names of text-embeddings-inference: each in force, or refused with a word on why."""
import socket

import pytest

from service import MODELS, ROOT, Service, linnet

EMBEDDINGS = ROOT / "tests/golden/embeddings"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_flags_are_in_force(serve):
    server = serve("--model-id", MODELS / "bert-one-label", "--hostname", "127.0.0.1", "--max-batch-tokens", 1000,
                   "--max-batch-requests", 3, "--max-client-batch-size", 7, "--max-concurrent-requests", 9, "--auto-truncate",
                   "--payload-limit", 5000, "--dtype", "float32", "--tokenization-workers", 2, "--served-model-name", "mine",
                   "--json-output", "--disable-spans")
    info = server.get("/info").json
    assert info["model_id"].endswith("bert-one-label") and server.get("/v1/models").json["data"][0]["id"] == "mine"
    wanted = {"max_batch_tokens": 1000, "max_batch_requests": 3, "max_client_batch_size": 7, "max_concurrent_requests": 9,
              "auto_truncate": True, "tokenization_workers": 2}
    assert {name: info[name] for name in wanted} == wanted
    assert server.post("/predict", {"inputs": "word " * 900}).status == 200
    assert server.post("/predict", {"inputs": "word " * 1200}).status == 413
    assert server.log.read_text().splitlines()[1].startswith("{")


def test_the_environment_names_the_same_and_the_command_line_goes_first(tmp_path):
    environment = {"MODEL_ID": str(MODELS / "bert-one-label"), "MAX_CLIENT_BATCH_SIZE": "7", "AUTO_TRUNCATE": "true",
                   "MAX_BATCH_TOKENS": "1000", "API_KEY": "secret", "HOSTNAME": "a-container"}
    server = Service(tmp_path / "log", "--max-batch-tokens", 2000, environment=environment)
    assert server.get("/info").status == 401
    info = server.request("GET", "/info", authorization="Bearer secret").json
    assert (info["max_client_batch_size"], info["max_batch_tokens"], info["auto_truncate"]) == (7, 2000, True)
    assert server.end() == 0


def test_origins_of_the_command_line_take_the_place_of_the_environments(tmp_path):
    def allows(*arguments):
        server = Service(tmp_path / "log", *arguments, environment={"CORS_ALLOW_ORIGIN": "https://a.example, https://d.example"})
        asked = [server.request("GET", "/live", origin=f"https://{name}.example").fields for name in "abcd"]
        assert server.end() == 0
        return [name for name, fields in zip("abcd", asked) if "access-control-allow-origin" in fields]

    assert allows() == ["a", "d"]
    assert allows("--cors-allow-origin", "https://b.example", "--cors-allow-origin=https://c.example") == ["b", "c"]


def test_batches_hold_no_more_texts_than_asked(serve):
    server = serve("--max-batch-requests", 3)
    assert server.post("/predict", {"inputs": [["a text"]] * 50}).status == 200
    metrics = server.get("/metrics").body.decode()
    assert 'linnet_batch_items_bucket{le="4"} ' + metrics.split("linnet_batch_items_count ")[1].split()[0] in metrics


def test_the_prometheus_port_has_metrics_alone_and_wants_no_key(serve):
    port = free_port()
    server = serve("--prometheus-port", port, "--api-key", "secret")
    main, server.port = server.port, port
    assert server.get("/metrics").status == 200 and b"te_request_count" in server.get("/metrics").body
    assert server.get("/info").status == 404 and server.post("/age", {"inputs": "a"}).status == 404
    assert server.post("/metrics", {}).status == 405
    server.port = main
    assert server.get("/metrics").status == 401


@pytest.mark.parametrize("arguments, words", [
    (["--uds-path", "/tmp/x"], "no meaning here: there is no backend"),
    (["--otlp-endpoint", "http://x"], "no meaning here"),
    (["--otlp-service-name", "x"], "no meaning here"),
    (["--dense-path", "x"], "modules.json"),
    (["--default-prompt", "a", "--default-prompt-name", "b"], "exclude each other"),
    (["--pooling", "splade"], "splade"),
    (["--default-prompt", "a"], "--default-prompt is for embeddings"),
    (["--default-prompt-name", "a"], "--default-prompt-name is for embeddings"),
    (["--default-prompt-name", "a", EMBEDDINGS / "mean"], "has no prompt \"a\", it has none"),
    (["--default-prompt-name", "a", EMBEDDINGS / "prompted"], "want \"query\", \"passage\""),
    (["--revision", "a"], "there is no MODEL"),
    (["--served-model-name", ""], "--served-model-name is empty, want the name"),
    (["--served-model-name="], "--served-model-name is empty, want the name"),
    (["--prometheus-port", "8080", "--port", "8080"], "as --port is"),
    (["--max-batch-tokens", "0"], "--max-batch-tokens"),
    (["--model-id", "a", "b"], "want one"),
    (["--cors-allow-origin", "https://a.example/"], "without a path"),
    *((["--cors-allow-origin", origin], f'"{origin}"')
      for origin in ("", " ", ",", "https://", "://a", "ht tp://a", "https://a#x", "https://u@a", "https://a.example,, *")),
    (["--cors-allow-origin", "https://a.example", "--cors-allow-origin", "b.example"], '"b.example"'),
    (["--cors-allow-origin", "https://a.example,"] * 17, "more than 16 times"),
])
def test_what_has_no_meaning_is_refused_with_a_word_on_why(arguments, words):
    done = linnet("serve", "--port", "0", *arguments)
    assert done.returncode == 2 and words in done.stderr.decode(), done.stderr


def test_an_empty_name_in_the_environment_is_none(tmp_path):
    server = Service(tmp_path / "log", MODELS / "bert-one-label", environment={"SERVED_MODEL_NAME": ""})
    assert server.get("/v1/models").json["data"][0]["id"] == "bert-one-label"
    assert server.end() == 0


def test_a_wrong_value_in_the_environment_is_named():
    done = linnet("serve", "--port", "0", environment={"MAX_BATCH_TOKENS": "many"})
    assert done.returncode == 2 and b"MAX_BATCH_TOKENS" in done.stderr and b"many" in done.stderr
    assert b"OTLP_ENDPOINT" in linnet("serve", "--port", "0", environment={"OTLP_ENDPOINT": "http://x"}).stderr
