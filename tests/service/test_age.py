"""POST /age: the origin's call, and what bad input gets. tests/golden/test_pipeline.py has it answer as the pipeline does."""
import pytest

from service import MODELS, ORIGIN


def test_the_origins_call_gives_its_answer(server):
    answer = server.post("/age", ORIGIN)
    assert answer.status == 200 and answer.fields["content-type"] == "application/json"
    (row,) = answer.json
    assert set(row) == {"label", "score"} and row["label"] == "POSITIVE" and abs(row["score"] - 0.9979804) <= 1e-5


def test_the_same_text_gives_the_same_bytes_alone_and_in_a_batch(server):
    text = "A warm, funny, engaging film."
    alone = server.post("/age", {"inputs": text}).json[0]
    others = [word * length for word in ("good ", "bad ", "table ") for length in (1, 3, 17, 60)]
    mixed = server.post("/age", {"inputs": others + [text] + others}).json
    assert mixed[len(others)] == alone


@pytest.mark.parametrize("body, status, words", [
    ('{"inputs": "a",\n "x": }', 400, "line 2 column 7"),
    ("", 400, "line 1 column 1"),
    (b'{"inputs": "\xff"}', 400, "line 1"),
    ('{"inputs": "\\ud800"}', 400, "line 1"),
    ('{"inputs": "a", "inputs": "b"}', 400, '"inputs" stands twice'),
    ('{"inputs":' + "[" * 100 + "]" * 100 + "}", 400, "nested deeper"),
    ('["a"]', 422, "the body is a list"),
    ('{"input": "a"}', 422, '"inputs" is missing'),
    ('{"inputs": null}', 422, '"inputs" is null'),
    ('{"inputs": ["a", 7]}', 422, "inputs[1]"),
    ('{"inputs": []}', 422, "empty list"),
    ('{"inputs": [["a", "b"]]}', 422, "inputs[0]"),
    ('{"inputs": {"text": 3}}', 422, "a number"),
    ('{"inputs": {"text_pair": "b"}}', 422, 'without "text"'),
    ('{"inputs": {"text": "a", "texts": "b"}}', 422, '"texts"'),
    ('{"inputs": "a", "parameters": []}', 422, '"parameters" is a list'),
    ('{"inputs": "a", "parameters": {"topk": 1}}', 422, '"topk" is unknown'),
    ('{"inputs": "a", "parameters": {"top_k": 0}}', 422, "top_k"),
    ('{"inputs": "a", "parameters": {"top_k": -1}}', 422, "top_k"),
    ('{"inputs": "a", "parameters": {"top_k": true}}', 422, "top_k"),
    ('{"inputs": "a", "parameters": {"top_k": 1.5}}', 422, "top_k"),
    ('{"inputs": "a", "parameters": {"function_to_apply": "relu"}}', 422, "relu"),
    ('{"inputs": "a", "parameters": {"truncation": "middle"}}', 422, "middle"),
    ('{"inputs": "a", "parameters": {"max_length": 0}}', 422, "max_length"),
    ('{"inputs": "a", "parameters": {"max_length": 1}}', 422, "special tokens"),
])
def test_bad_input_is_told_what_is_wrong_and_the_next_request_is_answered(server, body, status, words):
    answer = server.post("/age", body)
    assert (answer.status, set(answer.json)) == (status, {"error", "error_type"}), answer.body
    assert words in answer.json["error"], answer.json
    assert server.post("/age", ORIGIN).status == 200


@pytest.mark.parametrize("body, status", [
    ('{"inputs":[' + ",".join("0" for _ in range(1 << 20))[: (2 << 20) - 20] + "0]}", 422),
    ('{"inputs":[' + "{}," * 600_000 + "{}]}", 422),
    ('{"inputs":"a",' + ",".join(f'"{n:x}":1' for n in range(180_000)) + "}", 200),
    ("[" + "0," * 1_000_000 + "x]", 400),
], ids=["numbers", "objects", "keys", "malformed"])
@pytest.mark.heavy
def test_json_of_two_megabytes_of_small_values_is_read_like_any_other(server, body, status):
    assert len(body) <= 2 << 20
    assert server.post("/age", body).status == status


def test_a_text_over_the_limit_is_413_with_both_counts_unless_truncation_is_asked_for(server):
    long = {"inputs": "good " * 598}
    answer = server.post("/age", long)
    assert answer.status == 413 and "600 tokens" in answer.json["error"] and "512" in answer.json["error"]
    assert server.post("/age", {**long, "parameters": {"truncation": True}}).status == 200
    assert server.post("/age", {**long, "parameters": {"max_length": 128}}).status == 200
    assert server.post("/age", {**long, "parameters": {"truncation": False, "max_length": 128}}).status == 413


def test_auto_truncate_cuts_without_being_asked(serve):
    assert serve("--auto-truncate").post("/age", {"inputs": "good " * 600}).status == 200


def test_one_long_text_among_many_is_named(server):
    answer = server.post("/age", {"inputs": ["short", "good " * 600]})
    assert answer.status == 413 and answer.json["error"].startswith("inputs[1]: ")


def test_too_many_texts_are_422_with_both_counts(serve):
    server = serve("--max-client-batch-size", 3)
    answer = server.post("/age", {"inputs": ["a"] * 4})
    assert answer.status == 422 and "4 texts" in answer.json["error"] and "3" in answer.json["error"]
    assert server.post("/age", {"inputs": ["a"] * 3}).status == 200


@pytest.mark.heavy
def test_a_megabyte_of_text_is_tokenized_off_the_loop_and_answered(server):
    answer = server.post("/age", {"inputs": "wonderful " * 100000, "parameters": {"truncation": True}})
    assert answer.status == 200 and answer.json[0]["label"] == "POSITIVE"


def test_a_body_over_the_limit_is_413(serve):
    server = serve("--payload-limit", 1000)
    answer = server.post("/age", {"inputs": "a" * 2000})
    assert answer.status == 413 and answer.json["error_type"] == "too_large"


def test_the_content_type_must_be_json(server):
    for content_type, status in (("application/json", 200), ("application/json; charset=UTF-8", 200),
                                 ("application/vnd.api+json", 200), ("text/plain", 415), ("application/jsonp", 415),
                                 ("application/json; charset=latin-1", 415)):
        answer = server.post("/age", ORIGIN, content_type=content_type)
        assert answer.status == status, content_type
    assert "Content-Type: application/json" in answer.json["error"]


def test_an_encoded_body_is_415_and_names_the_coding(server):
    answer = server.post("/age", ORIGIN, content_encoding="gzip")
    assert answer.status == 415 and "gzip" in answer.json["error"]
    assert server.post("/age", ORIGIN, content_encoding="identity").status == 200


def test_the_wrong_method_is_405_with_allow_and_a_near_path_is_named(server):
    answer = server.get("/age")
    assert answer.status == 405 and answer.fields["allow"] == "POST"
    answer = server.post("/metrics", {})
    assert answer.status == 405 and answer.fields["allow"] == "GET, HEAD"
    answer = server.post("/ages", ORIGIN)
    assert answer.status == 404 and "Did you mean /age?" in answer.json["error"]


@pytest.mark.parametrize("name, function", [("bert-regression", "none"), ("bert-multi-label", "sigmoid")])
def test_the_problem_type_picks_the_function(serve, name, function):
    if not (MODELS / name).is_dir():
        pytest.fail(f"no model {name} in {sorted(path.name for path in MODELS.iterdir())}")
    server = serve(MODELS / name)
    scores = server.post("/age", {"inputs": "The room is clean.", "parameters": {"top_k": None}}).json
    asked = server.post("/age", {"inputs": "The room is clean.", "parameters": {"top_k": None, "function_to_apply": function}}).json
    assert scores == asked
