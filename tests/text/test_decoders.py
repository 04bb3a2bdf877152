"""Ids become the text that the `tokenizers` package makes of them, with every decoder that is supported and sequences of them."""

import random

import oracle
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

CASES = 3000
TOKENS = [
    "the", "film", "\u00e9t\u00e9", "\u4e2d", "##ing", "##", "#", "a##b", ".", ",", "!", "n't", "'s", "do", "not", "'",
    "\u2581", "\u2581the", "\u2581\u2581x", "a\u2581b", "x\u2581", "_", "_a_", "\u0120a", "\u0120", "\u00c3\u00a9", "\u00c3", "\u00ff", "\u010a",
    "a</w>", "</w>", "</w>b</w>", "<", "/w>", "w", "ww", "wwaww", "ww\u00e9w",
    "<0x41>", "<0xC3>", "<0xa9>", "<0xE4>", "<0xB8>", "<0xAD>", "<0x00>", "<0x0A>", "<0xFF>", "<0x+A>", "<0xG0>", "<0x4>", "<0x411>", "<0X41>",
    "<0x\u00e9>", "<0x >", "<0x20>",
    "\0", "e\0", "e\0f", "##\0ing", "\0##", "a\0\u2581b", "w\0w", "a\0</w>", "<0x\0>", "d\0\u0120",
]
LLAMA = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
DECODERS = {
    "none": None,
    "wordpiece": decoders.WordPiece(),
    "wordpiece_uncleaned": decoders.WordPiece("#", False),
    "byte_level": decoders.ByteLevel(),
    "metaspace": decoders.Metaspace(),
    "metaspace_first": decoders.Metaspace(prepend_scheme="first"),
    "metaspace_never": decoders.Metaspace("_", "never"),
    "bpe": decoders.BPEDecoder(),
    "bpe_suffix": decoders.BPEDecoder("w"),
    "byte_fallback": decoders.ByteFallback(),
    "fuse": decoders.Fuse(),
    "strip": decoders.Strip("w", 1, 0),
    "strip_right": decoders.Strip("w", 0, 2),
    "strip_both": decoders.Strip("w", 2, 1),
    "strip_wide": decoders.Strip("\u2581", 1, 0),
    "replace": decoders.Replace("\u2581", " "),
    "replace_twice": decoders.Replace("ww", "\u00e9t\u00e9"),
    "replace_by_nothing": decoders.Replace("a", ""),
    "replace_expression": decoders.Replace(Regex(r"\d{2,}|[a-c]+"), "<>"),
    "llama": decoders.Sequence(LLAMA),
    "gemma": decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]),
    "nested": decoders.Sequence([decoders.Sequence([decoders.BPEDecoder(), decoders.Fuse()]), decoders.Strip("t", 1, 1)]),
    "of_nothing": decoders.Sequence([]),
    "bytes_first": decoders.Sequence([decoders.ByteFallback(), decoders.WordPiece(), decoders.Metaspace()]),
    "level_first": decoders.Sequence([decoders.ByteLevel(), decoders.BPEDecoder(), decoders.Replace(" ", "\u2581")]),
    "level_last": decoders.Sequence([decoders.Strip("\u0120", 1, 0), decoders.ByteLevel()]),
    "eight": decoders.Sequence([*LLAMA, *LLAMA]),
}


def tokenizer_of(decoder):
    """Words are tokens: a text spells any tokens in any order."""
    vocab = {token: number for number, token in enumerate(["[UNK]", *TOKENS])}
    tokenizer = Tokenizer(models.WordLevel(vocab, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if decoder:
        tokenizer.decoder = decoder
    return tokenizer


def write(tokenizer, directory):
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}')
    return "json", directory / "tokenizer.json", directory / "tokenizer_config.json"


def decode(tokenizer, ids):
    """None where the package panics, to be caught as no Exception: Strip does where a token has fewer characters than it takes."""
    try:
        return tokenizer.decode(ids, skip_special_tokens=False)
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":
            raise
        return None


@pytest.mark.parametrize("name", DECODERS)
def test_random_tokens_become_the_same_text(name, tmp_path):
    rng = random.Random(name)
    tokenizer = tokenizer_of(DECODERS[name])
    lines = ["", *TOKENS, *(" ".join(rng.choices(TOKENS, k=rng.randint(1, 9))) for _ in range(CASES))]
    bytes_only = [token for token in TOKENS if token.startswith("<0x")]
    lines += [" ".join(rng.choices(bytes_only, k=rng.randint(1, 6))) for _ in range(CASES)]
    ours = oracle.encode([oracle.record(line) for line in lines], *write(tokenizer, tmp_path))
    compared = 0
    for line, own in zip(lines, ours, strict=True):
        their = decode(tokenizer, own.ids)
        compared += their is not None
        assert their in (None, own.decoded[0]), (line, own.decoded[0], their)
    assert compared > 0.5 * len(lines)
