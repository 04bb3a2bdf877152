"""The whole comparison, quickly, with a tiny model: linnet's native engine and the Python service."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from compare import contestants

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.transformers
def test_a_quick_run_measures_both_and_writes_the_report_the_plots_and_the_page(tmp_path):
    for tool in ("hey", "wrk"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool} (tools/setup bench)")
    for venv, what in (
        (contestants.TORCH_VENV, "tools/torch-venv"),
        (contestants.CACHE / "tools-venv", "bench/compare/start --help"),
    ):
        if not (venv / "bin/python").is_file():
            pytest.skip(f"no virtual environment in {venv} ({what} makes it)")
    command = [
        ROOT / "bench/compare/start",
        "--quick",
        "--shape",
        "tiny-shape",
        "--contestants",
        "python,linnet",
        "--build",
        BUILD,
        "--output",
        tmp_path / "run",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert {key: state["status"] for key, state in results["contestants"].items()} == {
        "python": "measured",
        "linnet": "measured",
    }
    answer = results["contestants"]["linnet"]["answers"]
    assert answer["reference"] == "python" and answer["labels_equal"] == answer["texts"] and answer["largest"] <= 1e-5
    loads = {m["load"] for m in results["measurements"] if m["contestant"] == "linnet"}
    assert loads >= {"hey-1", "hey-15", "hey-50", "locust", "mixed", "start", "sweep-1", "sweep-32"}
    under_load = [m for m in results["measurements"] if m["load"] != "start"]
    assert all(m["result"]["successes"] > 0 for m in under_load)
    for name in ("python", "linnet"):  # a short load of a fast service may cost less than a tick of the clock
        assert sum(m["service_cpu"] for m in under_load if m["contestant"] == name) > 0
    report = (tmp_path / "run/report.md").read_text()
    assert "| Requests/sec |" in report and "not measured" in report and "A quick run" in report
    page = (tmp_path / "run/index.html").read_text()
    assert page.count("<svg") == 4 and "{{" not in page
    for name in ("requests", "latency", "time", "concurrency"):
        assert (tmp_path / f"run/{name}.png").stat().st_size > 10_000
