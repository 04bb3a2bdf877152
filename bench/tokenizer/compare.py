#!/usr/bin/env python3
"""Tokenizing speed of linnet and of the `tokenizers` package, one thread each, on the same texts.

Usage: LINNET_BUILD=build/release python bench/tokenizer/compare.py TOKENIZER_JSON TEXT_FILE [ROUNDS]

A round encodes every line of the file with both, one after the other, so that what else the machine does falls on both:
PASSES times with linnet, so that both take about as long. Prints the medians of a pass and the ratio. The numbers of tokens must be equal.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread; read when the package is loaded

from tokenizers import Tokenizer, __version__  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PASSES = 30


def measure(model, texts, rounds):
    program = ROOT / os.environ.get("LINNET_BUILD", "build/release") / "tests/text/bench_encode"
    data = Path(texts).read_bytes()
    lines = data.decode().removesuffix("\n").split("\n")
    tokenizer = Tokenizer.from_file(str(model))
    ours, theirs, package_tokens = [], [], 0
    command = [program, model, texts, str(PASSES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(rounds):
            process.stdin.write("x")
            process.stdin.flush()
            nanoseconds, tokens = map(int, process.stdout.readline().split())
            ours.append(nanoseconds / 1e9)
            start = time.perf_counter()
            encodings = tokenizer.encode_batch(lines)
            theirs.append(time.perf_counter() - start)
            package_tokens = sum(len(encoding.ids) for encoding in encodings)
        process.stdin.close()
    assert tokens == package_tokens, (tokens, package_tokens)
    own, package = statistics.median(ours), statistics.median(theirs)
    megabytes = len(data) / 1e6
    print(f"{len(lines)} lines, {megabytes:.2f} MB, {tokens} tokens, median of {rounds} rounds, one thread")
    print(f"linnet                {megabytes / own:8.1f} MB/s   {own * 1e3:9.1f} ms")
    print(f"tokenizers {__version__:<10} {megabytes / package:8.1f} MB/s   {package * 1e3:9.1f} ms")
    print(f"ratio                 {package / own:8.1f}")


def main():
    measure(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5)


if __name__ == "__main__":
    main()
