"""The examples of docs/clients.md, as they stand but for the address."""
import re
import shutil
import subprocess
import sys

import pytest

from service import ROOT

BLOCK = re.compile(r"```(\w+)\n((?:#|//) with an? (\w+)\n.*?)```", re.S)
EXAMPLES = BLOCK.findall((ROOT / "docs/clients.md").read_text())


def test_every_dialect_has_an_example():
    text = " ".join(code for _, code, _ in EXAMPLES)
    for word in ("huggingface_hub", "from openai", "/embed", "/embed_sparse", "/predict", "/rerank", "cohere", "tritonclient", "/v1/rerank"):
        assert word in text


@pytest.mark.parametrize("language, code, kind", EXAMPLES, ids=[f"{language}-{n}" for n, (language, *_) in enumerate(EXAMPLES)])
def test_an_example_runs(request, language, code, kind):
    service = request.getfixturevalue(kind)
    code = code.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")
    if language == "js":
        pytest.skip("test_packages.py runs it, where npm has the package")
    if language == "python":
        for package in re.findall(r"^(?:import|from) (\w+)", code, re.M):
            pytest.importorskip(package)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    else:
        if not shutil.which("curl"):
            pytest.skip("curl is not installed")
        done = subprocess.run(["bash", "-ec", code.replace("curl ", "curl --silent --show-error --fail-with-body ")],
                              capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.strip(), done.stdout + done.stderr
