"""What a request may take: of the loop thread's time, so that others are answered meanwhile, and of memory, so that one that asks
for too much is refused in words. Time is the loop thread's own processor time, which neighbours do not change."""
import json
import re
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from pace import SLOWNESS
from service import MODELS, ROOT

TASKS, EMBEDDINGS = ROOT / "tests/golden/tasks", ROOT / "tests/golden/embeddings"
NLI = ["--task", "zero-shot-classification"]
MASKS = {"inputs": "[MASK] " * 44, "parameters": {"top_k": 200}}


def seconds_of(service, task=""):
    """Of processor time: of all threads, or of the loop's, which is the first."""
    tasks = Path(f"/proc/{service.process.pid}/task")
    chosen = [tasks / str(service.process.pid)] if task else tasks.iterdir()
    return sum(int((path / "schedstat").read_text().split()[0]) for path in chosen) / 1e9


def cost(service, path, value):
    """(the answer, processor time that it took of the loop thread, and of all)"""
    body = json.dumps(value)
    before = seconds_of(service, "loop"), seconds_of(service)
    answer = service.post(path, body)
    return answer, seconds_of(service, "loop") - before[0], seconds_of(service) - before[1]


def spares_the_loop(service, path, value, most=None):
    """Whether it is answered with at most so many seconds of the loop thread, or at most half of what it costs."""
    answer, seconds, all_seconds = cost(service, path, value)
    assert answer.status == 200, answer.body[:500]
    assert seconds < (most * SLOWNESS if most else all_seconds / 2), (path, seconds, all_seconds, len(answer.body))


@pytest.fixture
def filler(serve):
    return serve(TASKS / "bert-mlm")


@pytest.fixture
def embedder(serve):
    return serve(EMBEDDINGS / "mean")


# --- The loop thread


def test_many_fillings_are_not_written_by_the_loop_thread(filler):
    spares_the_loop(filler, "/", MASKS, 0.03)


def test_targets_are_not_tokenized_by_the_loop_thread(filler):
    spares_the_loop(filler, "/", {"inputs": "a [MASK]", "parameters": {"targets": ["good films"] * 100000}})


def test_many_embeddings_are_not_written_by_the_loop_thread(embedder):
    spares_the_loop(embedder, "/embed_all", {"inputs": ["a good film " * 15] * 500, "truncate": True}, 0.06)
    spares_the_loop(embedder, "/v1/embeddings", {"input": ["a good film"] * 15000}, 0.06)


def test_embeddings_written_aside_are_those_written_inline(embedder):
    few, many = ["a good film"] * 2, ["a good film"] * 3000
    (vector, _) = embedder.post("/embed", {"inputs": few}).json
    assert embedder.post("/embed", {"inputs": many}).json == [vector] * 3000
    assert [one["embedding"] for one in embedder.post("/v1/embeddings", {"input": many}).json["data"]] == [vector] * 3000
    assert embedder.post("/vertex", {"instances": [{"inputs": few}] * 1500}).json == {"predictions": [[vector] * 2] * 1500}

    def infer(texts):
        tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
        return embedder.post("/v2/models/mean/infer", {"inputs": [tensor], "parameters": {"binary_data_output": True}})

    two, thousands = infer(few), infer(many)
    size = int(thousands.fields["inference-header-content-length"])
    assert thousands.body[size:] == two.body[-4 * 32 :] * 3000


def test_ranks_and_labels_written_aside_are_those_written_inline(serve):
    service = serve(MODELS / "bert-one-label")
    texts = ["a good film", "no"] * 1500
    answer = service.post("/v2/rerank", {"query": "film", "documents": texts, "return_documents": True}, x_request_id="own")
    few = service.post("/v2/rerank", {"query": "film", "documents": texts[:2]}).json["results"]
    scores = {texts[one["index"]]: one["relevance_score"] for one in few}
    assert answer.json["id"] == "own" and len(answer.json["results"]) == 3000
    assert all(one["relevance_score"] == scores[one["document"]["text"]] for one in answer.json["results"])
    two = service.post("/predict", {"inputs": [[text] for text in texts[:2]]}).json
    assert service.post("/predict", {"inputs": [[text] for text in texts]}).json == two * 1500


def test_a_text_counts_once_for_each_label(serve):
    parameters = {"candidate_labels": [str(number) for number in range(500)], "hypothesis_template": "{}"}
    spares_the_loop(serve(TASKS / "bert-nli", *NLI), "/", {"inputs": "a good film. " * 500, "parameters": parameters}, 0.025)


def test_token_ids_count_as_text(embedder):
    spares_the_loop(embedder, "/decode", {"ids": [7] * 650000})


def test_added_tokens_are_found_by_their_ids_without_a_walk_over_all(serve, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(EMBEDDINGS / "mean", model)
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    plain = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    tokenizer["added_tokens"] += [dict(plain, id=231 + number, content=f"added{number}") for number in range(20000)]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    service = serve(model)
    answer, _, seconds = cost(service, "/decode", {"ids": [231 + number for number in range(19000, 20000)] * 280})
    assert answer.status == 200 and answer.json[0].startswith("added19000 added19001 ")
    assert seconds < 0.6 * SLOWNESS, seconds


def test_texts_without_bytes_count_as_text(embedder):
    spares_the_loop(embedder, "/tokenize", {"inputs": [""] * 60000})


def test_a_prompt_counts_once_for_each_text(serve):
    service = serve(EMBEDDINGS / "mean", "--default-prompt", "a good film " * 1500)
    spares_the_loop(service, "/embed", {"inputs": ["yes"] * 500, "truncate": True}, 0.025)


# --- Memory


def refused(service, path, value, *words):
    answer = service.post(path, value)
    assert answer.status == 413, (answer.status, answer.body[:500])
    message = answer.json["error"]
    assert all(word in message for word in words), message
    assert "request id" not in message and "error: request" not in service.log.read_text()


def test_texts_that_do_not_fit_are_refused_with_how_many_do(serve):
    service = serve(EMBEDDINGS / "mean", "--payload-limit", 4000, "--default-prompt", "a good film " * 400)
    request = {"inputs": ["yes"] * 500, "truncate": True}
    refused(service, "/embed", request, "500 texts with their results need more than the 1 MiB", " fit: send fewer in a request")
    fitting = int(re.search(r"the first (\d+) fit", service.post("/embed", request).json["error"])[1])
    assert service.post("/embed", dict(request, inputs=["yes"] * fitting)).status == 200


def test_an_answer_that_does_not_fit_is_refused_before_it_is_computed(serve):
    service = serve(TASKS / "bert-mlm", "--payload-limit", 4000)
    request = {"inputs": ["[MASK] " * 44] * 10, "parameters": {"top_k": 231}}
    refused(service, "/", request, "231 sequences for each of 440 masks", "may have 2 MiB", "a top_k of at most")
    assert service.get("/metrics").body.decode().count("linnet_batch_tokens_count 0") == 1
    request["parameters"]["top_k"] = 5
    assert service.post("/", request).status == 200


def test_an_answer_that_grows_too_long_is_refused(serve, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def predict(batch, **parameters):\n    return ['long' * 50000 for _ in batch]\n")
    service = serve("--python", sys.executable, "--worker-script", script, "--payload-limit", 2000)
    refused(service, "/", {"inputs": ["a"] * 20}, "the answer to 20 texts has more than the 1 MiB that one may have")
    assert service.post("/", {"inputs": ["a"] * 5}).status == 200


@pytest.mark.parametrize("model", ["roberta-mlm", "modernbert-mlm", "xlm-roberta-mlm", "bert-mlm"])
def test_one_word_as_long_as_a_body_is_tokenized(serve, model):
    service = serve(TASKS / model, "--payload-limit", 300000)
    answer = service.post("/tokenize", {"inputs": "a" * 299000})
    assert answer.status == 200 and answer.json[0][-2]["stop"] == 299000


def test_one_word_as_long_as_a_body_is_classified_as_far_as_the_model_goes(serve):
    answer = serve(TASKS / "roberta-ner", "--payload-limit", 300000).post("/", {"inputs": "a" * 299000})
    assert answer.status == 200 and answer.fields["x-truncated-texts"] == "1"


# --- Clients that leave, deadlines and the end, while an answer is written


def send(service, path, value):
    body = json.dumps(value).encode()
    client = socket.create_connection(("127.0.0.1", service.port))
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


def many_masks(texts):
    return {"inputs": [MASKS["inputs"]] * texts, "parameters": {"top_k": 231}}


def test_clients_that_leave_while_their_answers_are_written_harm_nobody(filler):
    for tenths in range(12):
        client = send(filler, "/", many_masks(8))
        time.sleep(tenths / 10)
        client.close()
    assert filler.post("/", MASKS).status == 200
    assert filler.end() == 0


def test_a_deadline_passes_while_an_answer_is_written(serve):
    service = serve(TASKS / "bert-mlm", "--request-timeout", 700 if SLOWNESS == 1 else 2000)
    answer = service.post("/", many_masks(60))
    assert answer.status == 504 and "no answer within" in answer.json["error"]
    assert service.get("/live").status == 200
    assert service.end() == 0


def test_an_answer_that_is_being_written_is_sent_before_the_end(serve):
    service = serve(TASKS / "bert-mlm", "--drain-timeout", 300000)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(service.post("/", many_masks(16))))
    asking.start()
    time.sleep(0.15 * SLOWNESS)
    service.process.send_signal(signal.SIGTERM)
    asking.join()
    assert [answer.status for answer in answers] == [200]
    assert [len(fillings) for text in answers[0].json for fillings in text] == [231] * 16 * 44
    assert service.end() == 0
