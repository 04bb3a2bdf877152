"""The Python engine's answers against the same pipelines of the real transformers, on tiny random models made on the spot.
Needs a virtual environment with transformers and torch (LINNET_TORCH_VENV)."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from ffi_server import HERE, ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.transformers]

TEXTS = ["i love you", "i hate the war .", "my friend lives in berlin , a good example", "peace", "naïve \U0001f600 zebra", ""]
PAIRS = [{"text": "i love you", "text_pair": "you are my friend"}, {"text": "paris", "text_pair": ""}]
MASKED = ["i [MASK] you .", "the [MASK] is [MASK] .", "[MASK]"]
LABELS = {"candidate_labels": ["love", "war", "berlin"]}

REQUESTS = {
    "text-classification": [
        *({"inputs": text} for text in TEXTS),
        {"inputs": TEXTS},
        {"inputs": TEXTS[:1]},
        {"inputs": PAIRS[0]},
        {"inputs": PAIRS},
        {"inputs": TEXTS[0], "parameters": {"top_k": 1}},
        {"inputs": TEXTS[0], "parameters": {"top_k": None}},
        {"inputs": TEXTS[:2], "parameters": {"top_k": 2}},
        {"inputs": TEXTS[:2], "parameters": {"function_to_apply": "sigmoid"}},
        {"inputs": "love " * 300, "parameters": {"truncation": True}},
    ],
    "zero-shot-classification": [
        {"inputs": TEXTS[0], "parameters": LABELS},
        {"inputs": TEXTS[:1], "parameters": LABELS},
        {"inputs": TEXTS[:4], "parameters": LABELS},
        {"inputs": TEXTS[:3], "parameters": {**LABELS, "multi_label": True}},
        {"inputs": TEXTS[1], "parameters": {"candidate_labels": "love, war", "hypothesis_template": "about {} ."}},
    ],
    "token-classification": [
        *({"inputs": text} for text in TEXTS[:5]),
        {"inputs": TEXTS[:5]},
        {"inputs": TEXTS[:1]},
        {"inputs": TEXTS[:3], "parameters": {"aggregation_strategy": "simple"}},
        {"inputs": TEXTS[2], "parameters": {"aggregation_strategy": "max", "ignore_labels": []}},
        {"inputs": ["berlin", "is", "good"], "parameters": {"is_split_into_words": True}},
    ],
    "feature-extraction": [
        *({"inputs": text} for text in TEXTS),
        {"inputs": TEXTS},
        {"inputs": TEXTS[:1]},
        {"inputs": TEXTS[0], "parameters": {"return_tensors": True}},
        {"inputs": ["love " * 300, "peace"], "parameters": {"tokenize_kwargs": {"max_length": 8}, "truncation": True}},
    ],
    "fill-mask": [
        *({"inputs": text} for text in MASKED),
        {"inputs": MASKED},
        {"inputs": MASKED[:1]},
        {"inputs": MASKED[0], "parameters": {"top_k": 2}},
        {"inputs": MASKED[0], "parameters": {"targets": ["love", "hate"]}},
    ],
}


@pytest.fixture(scope="module")
def oracle(torch_python, tiny_models):
    """What transformers' own pipelines return, by task."""
    questions = [{"task": task, "model": str(tiny_models / task), "requests": REQUESTS[task]} for task in REQUESTS]
    done = subprocess.run(
        [torch_python, HERE / "tiny_models.py", "ask"], input=json.dumps(questions), capture_output=True, text=True, check=True
    )
    return dict(zip(REQUESTS, json.loads(done.stdout)))


def differences(ours, theirs, tolerance, path=""):
    """Where two results differ; numbers by more than the tolerance."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return [] if abs(ours - theirs) <= tolerance else [(path, ours, theirs)]
    if type(ours) is not type(theirs):
        return [(path, ours, theirs)]
    if isinstance(ours, list) and len(ours) == len(theirs):
        return [gap for i, pair in enumerate(zip(ours, theirs)) for gap in differences(*pair, tolerance, f"{path}[{i}]")]
    if isinstance(ours, dict) and list(ours) == list(theirs):
        return [gap for key in ours for gap in differences(ours[key], theirs[key], tolerance, f"{path}.{key}")]
    return [] if ours == theirs else [(path, ours, theirs)]


@pytest.mark.parametrize("task", REQUESTS)
def test_answers_are_the_pipelines_own(start, torch_python, tiny_models, oracle, task):
    """One request at a time with --batch-size 1: to the bit; many at once in batches of 8: within 1e-5."""
    theirs = oracle[task]
    arguments = ("--engine", "python", "--python", torch_python, "--task", task, tiny_models / task)
    exact = start(*arguments, "--batch-size", "1")
    for request, result in zip(REQUESTS[task], theirs):
        answer = exact.request("POST", "/", json.dumps(request))
        assert answer.status == 200, (request, answer.text)
        assert answer.json == result, request
    exact.stop()
    batched = start(*arguments)
    with ThreadPoolExecutor(16) as pool:
        work = [(request, result) for request, result in zip(REQUESTS[task], theirs) for _ in range(6)]
        answers = list(pool.map(lambda pair: batched.request("POST", "/", json.dumps(pair[0])), work))
    for (request, result), answer in zip(work, answers):
        assert answer.status == 200, (request, answer.text)
        assert differences(answer.json, result, 1e-5) == [], request
    assert batched.metric("linnet_batch_items_sum") > batched.metric("linnet_batch_items_count")


def test_the_default_task_is_what_the_model_was_made_for(start, torch_python, tiny_models):
    server = start("--engine", "python", "--python", torch_python, tiny_models / "token-classification")
    assert server.request("GET", "/info").json["linnet"]["task"] == "token-classification"


def test_an_exception_of_the_pipeline_is_named(start, torch_python, tiny_models):
    server = start("--engine", "python", "--python", torch_python, "--task", "fill-mask", tiny_models / "fill-mask")
    answer = server.ask("no mask here")
    assert answer.status == 500 and "PipelineException: No mask_token" in answer.json["error"]
    assert server.ask(MASKED[0]).status == 200


def test_a_model_made_for_another_task_is_refused_at_start(torch_python, tiny_models):
    from ffi_server import LINNET

    done = subprocess.run(
        [LINNET, "serve", "--port", "0", "--engine", "python", "--python", torch_python, "--task", "token-classification",
         tiny_models / "text-classification"], capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 1 and "try --task text-classification" in done.stderr.splitlines()[-1]


def test_the_native_engine_and_the_python_engine_agree(start, torch_python):
    """On the model that linnet carries: labels equal, scores within 1e-5."""
    model = ROOT / "models/sst2-minilm"
    native = start("--engine", "native", model)
    python = start("--engine", "python", "--python", torch_python, "--dtype", "float32", model)
    for path, inputs in (("/", TEXTS), ("/age", "i love you"), ("/predict", [["i love you"], ["peace", "war"]])):
        ours, theirs = native.ask(inputs, path=path).json, python.ask(inputs, path=path).json
        assert differences(ours, theirs, 1e-5) == []


def test_a_gpu_gives_the_same_labels(start, torch_python, tiny_models, oracle):
    found = subprocess.run([torch_python, "-c", "import torch; print(torch.cuda.is_available())"], capture_output=True, text=True)
    if found.stdout.strip() != "True":
        pytest.skip("no GPU that torch can use")
    task = "text-classification"
    server = start("--engine", "python", "--python", torch_python, "--device", "cuda:0", tiny_models / task)
    assert server.request("GET", "/info").json["linnet"]["isa"] == "cuda:0"
    for request, result in zip(REQUESTS[task], oracle[task]):
        assert differences(server.request("POST", "/", json.dumps(request)).json, result, 1e-3) == []
