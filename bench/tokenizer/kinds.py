#!/usr/bin/env python3
"""Tokenizing speed of linnet and of the `tokenizers` package for each kind of tokenizer, one thread each.

Usage: LINNET_BUILD=build/release python bench/tokenizer/kinds.py TEXT_FILE [ROUNDS [KIND...]]

Trains a tokenizer of each kind of tests/text/kinds.py on the text file, with a vocabulary of 30,000, then measures as
compare.py does. Trained files are kept in build/tokenizers.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/text"), str(Path(__file__).parent)]

import compare  # noqa: E402  (sets the package to one thread)
import kinds  # noqa: E402

TRAINED = {
    "roberta": kinds.roberta,
    "modernbert": kinds.modernbert,
    "llama3": kinds.llama3,
    "xlm_roberta": kinds.xlm_roberta,
    "albert": kinds.albert,
    "deberta_v2": kinds.deberta_v2,
}
VOCABULARY = 30000


def trained(kind, lines, directory):
    path = directory / f"{kind}.json"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        TRAINED[kind](lines, VOCABULARY).save(str(path))
    return path


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    for kind in sys.argv[3:] or TRAINED:
        path = trained(kind, lines, ROOT / "build/tokenizers")
        print(f"{kind}:")
        compare.measure(path, Path(sys.argv[1]), rounds)


if __name__ == "__main__":
    main()
