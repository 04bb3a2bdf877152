"""schemathesis sends what /openapi.json allows, and what it does not, to every path of a server of each kind, with all of its
checks.

Three things a schema cannot say. How many tokens a text has: one that is too long gets 413, which is allowed of valid requests.
That a tensor has as many texts as its shape says, and that the instances of /vertex ask for the same: whether valid requests are
taken is not asked of these two. And what no model of the server can do ("x-served" in the description) is refused, whatever is
sent."""
import importlib.util
import re
import subprocess
import sys

import pytest

DATA_CHECKS = "positive_data_acceptance,negative_data_rejection"
RELATED = ("/infer", "/vertex")  # parts of their requests must fit each other
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "413"]
negative_data_rejection.expected-statuses = ["400", "404", "405", "413", "415", "422"]
"""


def run(url, directory, paths, *arguments):
    if not importlib.util.find_spec("schemathesis"):
        pytest.skip("schemathesis is not installed")
    config = directory / "schemathesis.toml"
    config.write_text(CONFIG)
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
@pytest.mark.parametrize("name", ["classifier", "embedder", "reranker"])
def test_a_server_does_what_its_description_says(request, tmp_path, name):
    service = request.getfixturevalue(name)
    served, others = paths_of(service)
    related = [path for path in served if path.endswith(RELATED)]
    phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10"]
    run(service.url, tmp_path, [path for path in served if path not in related], *phases)
    run(service.url, tmp_path, related, *phases, "--exclude-checks", "positive_data_acceptance")
    run(service.url, tmp_path, others, "--phases", "coverage,fuzzing", "--max-examples", "5", "--exclude-checks", DATA_CHECKS)


@pytest.mark.heavy
def test_a_server_of_several_models_does_what_its_descriptions_say(several, tmp_path):
    """All paths by the description of all; then, by each model's own, those that differ from model to model."""
    phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", "5"]
    served, _ = paths_of(several)
    run(several.url, tmp_path, [path for path in served if not path.endswith((*RELATED, "/models/{model}"))], *phases)
    for name, paths in (("mood", ["/age", "/predict", "/tokenize"]), ("vectors", ["/embed", "/v1/embeddings"])):
        assert set(paths) <= set(paths_of(several, f"/models/{name}")[0])
        run(f"{several.url}/models/{name}", tmp_path, paths, *phases)
