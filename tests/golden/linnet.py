"""Runs the real executable for the golden tests."""

import functools
import json
import math
import os
import re
import resource
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
BUILD = Path(os.environ.get("LINNET_BUILD", ROOT / "build" / "release")).resolve()
BINARY = BUILD / "linnet"
OPEN_MODEL = BUILD / "tests" / "golden" / "open_model"
EMBEDDED = None  # in place of a model's directory
DEV = ROOT.parent / "shared" / "data" / "golden-dev.jsonl"
NO_DEV = f"{DEV} is not here: the treebank's sentences are not part of the project"
AVX2 = {"avx2", "fma", "f16c"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
ISA_FLAGS = {  # what /proc/cpuinfo says of a processor that has the path
    "ref": set(),
    "avx2": AVX2,
    "avx_vnni": AVX2 | {"avx_vnni"},
    "avx512": AVX512,
    "avx512_vnni": AVX512 | {"avx512_vnni"},
    "avx512_bf16": AVX512 | {"avx512_vnni", "avx512_bf16"},
}

# Of a logit, on random models whose logits are up to 13 apart: about one and a half times what was measured.
MOST_LOGIT_DELTA = {"int8": 0.5, "bf16": 0.15}


def processor_flags():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":")[1].split())
    return set()


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def covers(model, task, precision):
    """The mark of a test that shows, where it passes, that linnet does the task with the model's family."""
    family = json.loads((model / "config.json").read_text())["model_type"]
    return pytest.mark.covers(family, task, precision)


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


def assert_close(got_rows, rows):
    """Answers are those of `transformers`: logits within max(2e-5, 1e-5 |logit|), the same label, scores within 1e-5."""
    for got, want in zip(got_rows, rows, strict=True):
        text = want["text"][:80]
        assert len(got["logits"]) == len(want["logits"]), text
        for got_logit, want_logit in zip(got["logits"], want["logits"]):
            bound = max(2e-5, 1e-5 * abs(want_logit))
            assert abs(got_logit - want_logit) <= bound, (text, got["logits"], want["logits"])
        assert got["label"] == want["label"], (text, got, want["logits"])
        assert abs(got["score"] - want["score"]) <= 1e-5, (text, got["score"], want["score"])


def best(logits):
    return logits.index(max(logits))


SCORES = {  # of the best label
    "softmax": lambda logits: 1 / sum(math.exp(logit - max(logits)) for logit in logits),
    "sigmoid": lambda logits: 1 / (1 + math.exp(-max(logits))),
    "none": max,
}


def score_function(rows):
    """The one that gives each row's score of its logits."""
    found = [score for score in SCORES.values() if all(abs(score(row["logits"]) - row["score"]) <= 1e-5 for row in rows)]
    assert found, rows[0]
    return found[0]


def assert_near(got_rows, rows, precision):
    """Logits of a tiny model in int8 or bf16 are near those of `transformers` in fp32, and label and score are those of the logits."""
    score, labels = score_function(rows), {best(row["logits"]): row["label"] for row in rows}
    for got, want in zip(got_rows, rows, strict=True):
        text = want["text"][:80]
        assert len(got["logits"]) == len(want["logits"]), text
        for got_logit, want_logit in zip(got["logits"], want["logits"]):
            assert abs(got_logit - want_logit) <= MOST_LOGIT_DELTA[precision], (text, got, want["logits"])
        assert abs(got["score"] - score(got["logits"])) <= 1e-5, (text, got)
        first = best(got["logits"])  # a label that no golden row has first is known only by what it is not
        assert got["label"] == labels[first] if first in labels else got["label"] not in labels.values(), (text, got, labels)


class Server:
    """`linnet serve` on a port of the system's choice. A context manager."""

    def __init__(self, log, *arguments):
        assert BINARY.is_file(), f"no executable {BINARY}: build first, or set LINNET_BUILD"
        command = [BINARY, "serve", *arguments, "--host", "127.0.0.1", "--port", "0", "--request-timeout", "600000"]
        with open(log, "wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + 300
        while not (found := re.search(r"listening on http://127\.0\.0\.1:(\d+)[\s\S]*\nserving ", log.read_text())):
            assert self.process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            assert self.process.wait(300) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
