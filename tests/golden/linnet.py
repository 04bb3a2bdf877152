"""Runs the real executable for the golden tests."""

import functools
import json
import os
import re
import resource
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
BUILD = Path(os.environ.get("LINNET_BUILD", ROOT / "build" / "release")).resolve()
BINARY = BUILD / "linnet"
OPEN_MODEL = BUILD / "tests" / "golden" / "open_model"
EMBEDDED = None  # in place of a model's directory


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@functools.lru_cache
def is_sanitized(executable):
    return b"__asan_init" in executable.read_bytes()


def run(*arguments, executable=BINARY, timeout=900, address_space=None):
    """The finished process. A missing executable fails the test instead of skipping it."""
    assert executable.is_file(), f"no executable {executable}: build first, or set LINNET_BUILD"
    limit = None
    if address_space and not is_sanitized(executable):  # AddressSanitizer reserves terabytes of addresses
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (address_space, address_space))
    return subprocess.run(
        [executable, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        preexec_fn=limit,
    )


def write_texts(path, rows):
    texts = [{key: row[key] for key in ("text", "text_pair") if key in row} for row in rows]
    path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")


def answers(command, model, rows, directory, *options):
    """What `linnet COMMAND` writes for the texts and pairs of `rows`: its lines, as text."""
    file = directory / "texts.jsonl"
    write_texts(file, rows)
    models = [] if model is EMBEDDED else [model]
    done = run(command, *models, file, "--input", "jsonl", *options)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(rows)
    return lines


class Server:
    """`linnet serve` on a port of the system's choice. A context manager."""

    def __init__(self, log, *arguments):
        assert BINARY.is_file(), f"no executable {BINARY}: build first, or set LINNET_BUILD"
        command = [BINARY, "serve", *arguments, "--host", "127.0.0.1", "--port", "0"]
        with open(log, "wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + 30
        while not (found := re.search(r"listening on http://127\.0\.0\.1:(\d+)[\s\S]*\nserving ", log.read_text())):
            assert self.process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            assert self.process.wait(15) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
