"""What test_oracle.py asks: encode_lines (our tokenizer) and the `tokenizers` package, on the same texts."""

import os
import struct
import subprocess
import typing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LINNET_BUILD", "build/release"))
PROGRAM = ROOT / BUILD / "tests/text/encode_lines"  # an absolute LINNET_BUILD replaces ROOT
MODEL = ROOT.parent / "shared/models/sst2-minilm"
DATA = ROOT.parent / "shared/data"
STRATEGIES = ("longest_first", "only_first", "only_second")


def record(text, pair=None, max_tokens=-1, strategy="longest_first"):
    text_bytes = text.encode()
    pair_bytes = b"" if pair is None else pair.encode()
    head = struct.pack("<4i", len(text_bytes), -1 if pair is None else len(pair_bytes), max_tokens,
                       STRATEGIES.index(strategy))
    return head + text_bytes + pair_bytes


def run(records, *arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], input=b"".join(records), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=900)


class Encoded(typing.NamedTuple):
    ids: list
    types: list
    full_length: int
    offsets: list  # of each token: (start, end)
    words: list  # of each token: the number of its word, or None
    decoded: tuple  # the text that the ids decode to, and that without special tokens


def encode(records, *arguments):
    """What encode_lines answers to each record, or None where encoding failed."""
    result = run(records, "places", *arguments)
    assert result.returncode == 0, result.stderr.decode()
    answers, at, out = [], 0, result.stdout
    while at < len(out):
        length, full = struct.unpack_from("<2i", out, at)
        at += 8
        if length < 0:
            answers.append(None)
            continue
        ids = list(struct.unpack_from(f"<{length}i", out, at))
        types = list(out[at + 4 * length:at + 5 * length])
        at += 5 * length
        places = list(struct.iter_unpack("<3i", out[at:at + 12 * length]))
        at += 12 * length
        decoded = []
        for _ in range(2):
            (size,) = struct.unpack_from("<i", out, at)
            decoded.append(out[at + 4:at + 4 + size].decode())
            at += 4 + size
        answers.append(Encoded(ids, types, full, [place[:2] for place in places],
                               [None if place[2] < 0 else place[2] for place in places], tuple(decoded)))
    assert len(answers) == len(records)
    return answers


def first_difference(texts, ours, theirs):
    """A readable account of the first text whose ids, types, offsets or words differ, or None; `theirs` are the package's
    encodings."""
    for text, own, their in zip(texts, ours, theirs, strict=True):
        if own is None or own.ids != their.ids or own.types != their.type_ids:
            return f"{text!a}: ours {own and own[:2]}, theirs {(their.ids, their.type_ids)}"
        if own.offsets != their.offsets or own.words != their.word_ids:
            return f"{text!a}: {their.tokens}: ours {own.offsets} {own.words}, theirs {their.offsets} {their.word_ids}"
    return None
