"""Runs the real executable for the golden tests."""

import json
import os
import resource
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
BUILD = Path(os.environ.get("LINNET_BUILD", ROOT / "build" / "release")).resolve()
# Where Meson links it, or where an installation would have it.
BINARY = next((path for path in (BUILD / "src" / "cli" / "linnet", BUILD / "linnet") if path.is_file()), BUILD / "linnet")
EMBEDDED = None  # in place of a model's directory


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def run(*arguments, timeout=120, address_space=None):
    """The finished process. A missing executable fails the test instead of skipping it."""
    assert BINARY.is_file(), f"no executable {BINARY}: build first, or set LINNET_BUILD"
    limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))) if address_space else None
    return subprocess.run(
        [BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, preexec_fn=limit
    )


def answers(command, model, rows, directory, *options):
    """What `linnet COMMAND` writes for the texts and pairs of `rows`: its lines, as text."""
    texts = [{key: row[key] for key in ("text", "text_pair") if key in row} for row in rows]
    file = directory / "texts.jsonl"
    file.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    models = [] if model is EMBEDDED else [model]
    done = run(command, *models, file, "--input", "jsonl", *options)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(rows)
    return lines
