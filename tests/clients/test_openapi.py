"""schemathesis sends what /openapi.json allows, and what it does not, to every path of a server of each kind, with all of its
checks.

Four things a schema cannot say. How many tokens a text has: one that is too long gets 413, which is allowed of valid requests.
That a tensor has as many texts as its shape says, and that the instances of /vertex ask for the same: whether valid requests are
taken is not asked of these two. That a target of fill-mask has a token: targets without a letter or digit are not sent. And what
no model of the server can do ("x-served" in the description) is refused, whatever is sent."""
import importlib.util
import json
import re
import subprocess
import sys

import pytest
from service import ROOT, Service

TASKS = ROOT / "tests/golden/tasks"
DATA_CHECKS = "positive_data_acceptance,negative_data_rejection"
RELATED = ("/infer", "/vertex")  # parts of their requests must fit each other
CONFIG = """
hooks = "hooks.py"

[checks]
positive_data_acceptance.expected-statuses = ["2xx", "413"]
negative_data_rejection.expected-statuses = ["400", "404", "405", "413", "415", "422"]
"""

HOOKS = '''
import schemathesis

@schemathesis.hook
def filter_case(context, case):
    """Whether the targets have tokens, if there are any."""
    parameters = case.body.get("parameters") if isinstance(case.body, dict) else None
    targets = parameters.get("targets") if isinstance(parameters, dict) else None
    words = [targets] if isinstance(targets, str) else targets if isinstance(targets, list) else []
    return all(any(c.isascii() and c.isalnum() for c in word) for word in words if isinstance(word, str))
'''


def run(url, directory, paths, *arguments):
    if not importlib.util.find_spec("schemathesis"):
        pytest.skip("schemathesis is not installed")
    config = directory / "schemathesis.toml"
    config.write_text(CONFIG)
    (directory / "hooks.py").write_text(HOOKS)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", url + "/openapi.json", "--seed", "1",
               "--generation-deterministic", "--no-color", "--include-path-regex", "^(" + "|".join(map(re.escape, paths)) + ")$",
               *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=directory)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout or "passed" in done.stdout, done.stdout


def paths_of(service, base=""):
    """(those that a model can answer, the others)"""
    paths = service.get(base + "/openapi.json").json["paths"]
    served = [path for path, methods in paths.items() if all(method["x-served"] for method in methods.values())]
    assert len(served) > 20
    return served, [path for path in paths if path not in served]


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["classifier", "embedder", "splade_model", "reranker", "tagger", "filler", "sorter"])
def test_a_server_does_what_its_description_says(request, tmp_path, name):
    service = request.getfixturevalue(name)
    served, others = paths_of(service)
    related = [path for path in served if path.endswith(RELATED)]
    phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10"]
    run(service.url, tmp_path, [path for path in served if path not in related], *phases)
    if related:
        run(service.url, tmp_path, related, *phases, "--exclude-checks", "positive_data_acceptance")
    run(service.url, tmp_path, others, "--phases", "coverage,fuzzing", "--max-examples", "5", "--exclude-checks", DATA_CHECKS)


# --- Of the tasks besides text classification, what the tests of their answers have

GOLDEN = {"tagger": "bert-ner", "filler": "bert-mlm", "sorter": "bert-nli"}


def validators(service, path="/"):
    """-> (of a request, of an answer)"""
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    description = service.get("/openapi.json").json
    served = description["paths"][path]["post"]
    of = [served["requestBody"]["content"], served["responses"]["200"]["content"]]
    return [jsonschema_rs.Draft202012Validator({**content["application/json"]["schema"], "components": description["components"]})
            for content in of]


@pytest.mark.parametrize("path", ["/", "/age", "/models/{model}"])
@pytest.mark.parametrize("name", GOLDEN)
def test_what_pipelines_take_and_return_is_what_the_description_says(request, name, path):
    taken, answered = validators(request.getfixturevalue(name), path)
    rows = [json.loads(line) for line in (TASKS / GOLDEN[name] / "golden.jsonl").read_text().splitlines()]
    for row in rows:
        taken.validate({"inputs": row["inputs"], "parameters": row["parameters"]})
        if not (isinstance(row["output"], dict) and "refused" in row["output"]):
            answered.validate(row["output"])
    assert not answered.is_valid([{"label": "POSITIVE", "score": 0.9}]) and not answered.is_valid({})


@pytest.mark.parametrize("name, body", [
    ("tagger", {"inputs": "a", "parameters": {"stride": 4}}),
    ("tagger", {"inputs": "a", "parameters": {"is_split_into_words": True}}),
    ("tagger", {"inputs": "a", "parameters": {"aggregation_strategy": "best"}}),
    ("tagger", {"inputs": "a", "parameters": {"ignore_labels": "O"}}),
    ("tagger", {"inputs": "a", "parameters": {"top_k": 1}}),
    ("tagger", {"inputs": {"text": "a"}}),
    ("tagger", {"inputs": []}),
    ("filler", {"inputs": "no mask"}),
    ("filler", {"inputs": ["[MASK]", "no mask"]}),
    ("filler", {"inputs": "[MASK]", "parameters": {"top_k": 0}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"top_k": 232}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"targets": []}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"targets": ""}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"tokenizer_kwargs": {"padding": True}}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"tokenizer_kwargs": {"max_length": 1}}}),
    ("sorter", {"inputs": "a"}),
    ("sorter", {"inputs": "a", "parameters": None}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": " ,\u3000, "}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b", ""]}}),
    ("sorter", {"inputs": "", "parameters": {"candidate_labels": ["b"]}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "multi_label": 1}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "it"}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{} {}"}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{} {0}"}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{{}}"}}),
    ("sorter", {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{name}"}}),
], ids=str)
def test_what_the_description_does_not_allow_is_refused(request, name, body):
    service = request.getfixturevalue(name)
    assert not validators(service)[0].is_valid(body)
    assert service.post("/", body).status == 422


@pytest.mark.parametrize("name, body", [
    ("tagger", {"inputs": ["", "a"], "parameters": {"aggregation_strategy": "Max", "stride": None, "delimiter": False}}),
    ("filler", {"inputs": "a[MASK]b", "parameters": {"top_k": 231}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"tokenizer_kwargs": {"max_length": 1, "truncation": False}}}),
    ("filler", {"inputs": "[MASK]", "parameters": {"tokenizer_kwargs": {"max_length": 3}}}),
    ("sorter", {"inputs": " ", "parameters": {"candidate_labels": "a"}}),
    ("sorter", {"inputs": ["a"], "parameters": {"candidate_labels": [" "], "hypothesis_template": "{0}}}{0}{{", "multi_label": None}}),
], ids=str)
def test_what_the_description_allows_at_its_edges_is_answered_as_it_says(request, name, body):
    service = request.getfixturevalue(name)
    taken, answered = validators(service)
    answer = service.post("/", body)
    assert taken.is_valid(body) and answer.status == 200 and answered.is_valid(answer.json)


def test_models_of_several_tasks_have_one_description_where_they_are_named_and_each_its_own(tmp_path):
    service = Service(tmp_path / "log", f"tags={TASKS / 'bert-ner'}", f"fills={TASKS / 'roberta-mlm'}")

    def of(base, path):
        served = service.get(base + "/openapi.json").json["paths"][path]["post"]
        return served["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]

    assert of("", "/models/{model}") == "AnyPipelineRequest" and of("", "/age") == "TokenClassificationRequest"
    assert of("/models/fills", "/") == "FillMaskRequest" and of("/models/tags", "/") == "TokenClassificationRequest"
    schemas = service.get("/models/fills/openapi.json").json["components"]["schemas"]
    assert schemas["MaskedText"]["pattern"] == "<mask>"
    page = service.get("/models/fills/docs").body.decode()
    assert "The food was &lt;mask>." in page
    assert service.end() == 0


@pytest.mark.heavy
def test_a_server_of_several_models_does_what_its_descriptions_say(several, tmp_path):
    """All paths by the description of all; then, by each model's own, those that differ from model to model."""
    phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", "5"]
    served, _ = paths_of(several)
    run(several.url, tmp_path, [path for path in served if not path.endswith((*RELATED, "/models/{model}"))], *phases)
    for name, paths in (("mood", ["/age", "/predict", "/tokenize"]), ("vectors", ["/embed", "/v1/embeddings"])):
        assert set(paths) <= set(paths_of(several, f"/models/{name}")[0])
        run(f"{several.url}/models/{name}", tmp_path, paths, *phases)
