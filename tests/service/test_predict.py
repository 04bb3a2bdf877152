"""POST /predict and the status pages in text-embeddings-inference's forms."""
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import ORIGIN, ROOT, linnet

GOLDEN = [json.loads(line) for line in (ROOT / "tests/golden/sst2-minilm.jsonl").read_text().splitlines()]


def labels(predictions):
    return [row["label"] for row in predictions]


def test_one_text_gives_all_labels_best_first(server):
    for inputs in ("I love you.", ["I love you."]):
        answer = server.post("/predict", {"inputs": inputs})
        assert answer.status == 200 and labels(answer.json) == ["POSITIVE", "NEGATIVE"]
        assert abs(sum(row["score"] for row in answer.json) - 1) < 1e-6


def test_two_strings_are_a_pair_and_lists_of_lists_a_batch(server):
    pair = server.post("/predict", {"inputs": ["good", "bad"]}).json
    batch = server.post("/predict", {"inputs": [["good"], ["good", "bad"]]}).json
    assert len(pair) == 2 and len(batch) == 2
    assert batch[1] == pair and batch[0] != pair


def test_raw_scores_are_the_logits(server):
    raw = server.post("/predict", {"inputs": "I love you.", "raw_scores": True}).json
    assert raw[0]["score"] > 1 and raw[1]["score"] < -1


@pytest.mark.heavy
def test_golden_rows_give_the_logits_of_transformers(server):
    for row in GOLDEN:
        inputs = [row["text"], row["text_pair"]] if row.get("text_pair") else row["text"]
        raw = server.post("/predict", {"inputs": inputs, "raw_scores": True, "truncate": True})
        assert raw.status == 200, raw.body
        logits = {prediction["label"]: prediction["score"] for prediction in raw.json}
        for got, want in zip((logits["NEGATIVE"], logits["POSITIVE"]), row["logits"]):
            assert abs(got - want) <= max(2e-5, 1e-5 * abs(want)), row["text"][:80]


def test_truncate_is_asked_for_or_the_text_is_413(server):
    long = {"inputs": "good " * 598}
    refused = server.post("/predict", long)
    assert refused.status == 413 and refused.json["error_type"] == "Validation"
    assert server.post("/predict", {**long, "truncate": True}).status == 200


@pytest.mark.heavy
def test_truncation_direction_says_which_end_is_cut(server):
    text = "bad " + "good " * 600
    left, right, default = (server.post("/predict", {"inputs": text, "truncate": True, **direction}).json for direction in (
        {"truncation_direction": "Left"}, {"truncation_direction": "Right"}, {}))
    assert right == default and left != right
    assert left == server.post("/predict", {"inputs": "good " * 510}).json


@pytest.mark.parametrize("body, status, kind", [
    ('{"inputs":', 400, "Validation"),
    ('{"inputs": []}', 400, "Empty"),
    ('{"inputs": ["a", "b", "c"]}', 422, "Tokenizer"),
    ('{"inputs": [["a"], "b"]}', 422, "Tokenizer"),
    ('{"inputs": "a", "raw_scores": 1}', 422, "Tokenizer"),
    ('{"inputs": "a", "truncation_direction": "Up"}', 422, "Tokenizer"),
])
def test_errors_have_teis_statuses(server, body, status, kind):
    answer = server.post("/predict", body)
    assert (answer.status, answer.json["error_type"]) == (status, kind), answer.body


def test_info_says_what_is_served(server):
    info = server.get("/info").json
    assert info["model_type"]["classifier"]["id2label"] == {"0": "NEGATIVE", "1": "POSITIVE"}
    assert info["max_input_length"] == 512
    assert info["linnet"]["precision"] == "fp32" and info["linnet"]["isa"] == json.loads(linnet("info", "--json").stdout)["isa"]


def test_health_ping_and_live_answer_get_and_head(server):
    for path in ("/health", "/ping", "/live"):
        assert server.get(path).status == 200
        head = server.request("HEAD", path)
        assert head.status == 200 and head.body == b"" and int(head.fields["content-length"]) > 0


def samples(server):
    text = server.get("/metrics")
    assert text.fields["content-type"].startswith("text/plain; version=0.0.4")
    return {(s.name, tuple(sorted(s.labels.items()))): s.value
            for family in text_string_to_metric_families(text.body.decode()) for s in family.samples}


def test_metrics_count_requests_and_time_their_parts(server):
    before = samples(server)
    for _ in range(5):
        server.post("/age", {"inputs": ["one text", "and another"]})
    server.post("/age", "{")
    after = samples(server)

    def grown(name, **wanted):
        key = (name, tuple(sorted(wanted.items())))
        return after[key] - before.get(key, 0)

    assert grown("linnet_requests_total", path="/age", status="200") == 5
    assert grown("linnet_requests_total", path="/age", status="400") == 1
    assert grown("linnet_request_duration_seconds_count", path="/age") == 6
    assert grown("linnet_tokenize_duration_seconds_count") == 5
    assert grown("linnet_queue_duration_seconds_count") == 5
    assert grown("linnet_batch_items_sum") == 10
    assert grown("linnet_tokens_total") == grown("linnet_batch_tokens_sum") == 5 * (4 + 4)
    assert 1 <= grown("linnet_compute_duration_seconds_count") <= 5
    assert after[("linnet_queue_requests", ())] == 0
    assert after[("linnet_ready", ())] == 1
    assert any(name == "linnet_model_info" and ("isa", server.get("/info").json["linnet"]["isa"]) in labels
               for name, labels in after)
    assert any(name == "linnet_build_info" for name, _ in after)


def test_histogram_buckets_never_fall(server):
    server.post("/age", ORIGIN)
    rows = {}
    for (name, labels), value in samples(server).items():
        if name.endswith("_bucket"):
            others = tuple(pair for pair in labels if pair[0] != "le")
            rows.setdefault((name, others), []).append((float(dict(labels)["le"]), value))
    assert rows
    for buckets in rows.values():
        counts = [count for _, count in sorted(buckets)]
        assert counts == sorted(counts)
