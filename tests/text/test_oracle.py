"""Ids and type ids equal to those of the `tokenizers` package, of which every call here is the oracle.

Run: LINNET_BUILD=build/release pytest tests/text
"""

import itertools
import json
import os
import random

import oracle
import pytest
import texts
from tokenizers import AddedToken, Tokenizer, processors

FUZZ_LINES = int(os.environ.get("LINNET_FUZZ_LINES", "200000"))

SETTINGS = {
    "uncased": {},
    "cased": dict(lowercase=False),
    "cased_stripped": dict(lowercase=False, strip_accents=True),
    "uncased_with_accents": dict(strip_accents=False),
    "no_chinese_handling": dict(handle_chinese_chars=False),
    "no_cleaning": dict(clean_text=False),
    "nothing_on": dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False),
    "long_words": dict(max_characters=1000),
    "no_characters_a_word": dict(max_characters=1),
    "empty_prefix": dict(prefix=""),
    "odd_prefix": dict(prefix="\u00e9@"),
}

needs_model = pytest.mark.skipif(not oracle.MODEL.exists(), reason=f"needs {oracle.MODEL}")
needs_data = pytest.mark.skipif(not oracle.DATA.exists(), reason=f"needs {oracle.DATA}")


def as_written(tokenizer, directory):
    """encode_lines' arguments for a tokenizer.json that is to be taken as it stands."""
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    config = directory / "tokenizer_config.json"
    config.write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return "json", directory / "tokenizer.json", config


def assert_same(tokenizer, lines, directory):
    ours = oracle.encode([oracle.record(line) for line in lines], *as_written(tokenizer, directory))
    difference = oracle.first_difference(lines, ours, tokenizer.encode_batch(lines))
    assert difference is None, difference


@pytest.mark.heavy
@pytest.mark.parametrize("setting", ["uncased", "cased", "cased_stripped"])
def test_every_character_gives_the_same_ids_alone_and_inside_a_word(setting, tmp_path):
    every = texts.all_characters()
    if setting != "uncased":  # the unassigned ones, five sixths of all, are tried with one setting
        every = [char for char in every if char < "\U00040000" or char >= "\U000e0000" and char < "\U000e0200"]
    lines = ["".join(f"a{char}b {char} " for char in every[at:at + 16]) for at in range(0, len(every), 16)]
    assert_same(texts.alphabet_tokenizer(lines, **SETTINGS[setting]), lines, tmp_path)


@pytest.mark.parametrize("setting", SETTINGS)
def test_random_texts_give_the_same_ids(setting, tmp_path):
    lines = texts.lines(setting, FUZZ_LINES // len(SETTINGS) + 1)
    assert_same(texts.alphabet_tokenizer(lines, **SETTINGS[setting]), lines, tmp_path)


@needs_model
@needs_data
@pytest.mark.heavy
def test_the_data_sets_give_the_same_ids():
    lines = set()
    for name in ("dev.tsv", "train.tsv", "phrases_train.tsv"):
        for row in (oracle.DATA / name).read_text(encoding="utf-8").split("\n")[1:]:
            lines.update(row.split("\t")[:2])
    for name in ("golden-dev.jsonl", "golden-odd.jsonl"):
        for row in (oracle.DATA / name).read_text(encoding="utf-8").splitlines():
            lines.add(json.loads(row)["text"])
    lines = sorted(lines)
    model = oracle.MODEL / "tokenizer.json"
    ours = oracle.encode([oracle.record(line) for line in lines], "json", model, oracle.MODEL / "tokenizer_config.json")
    difference = oracle.first_difference(lines, ours, Tokenizer.from_file(str(model)).encode_batch(lines))
    assert difference is None, difference


@needs_model
def test_random_words_of_a_real_vocabulary_give_the_same_ids():
    tokenizer = Tokenizer.from_file(str(oracle.MODEL / "tokenizer.json"))
    words = [token.removeprefix("##") for token in tokenizer.get_vocab()]
    lines = texts.lines("vocabulary", 20000, words)
    ours = oracle.encode([oracle.record(line) for line in lines], "json", oracle.MODEL / "tokenizer.json")
    difference = oracle.first_difference(lines, ours, tokenizer.encode_batch(lines))
    assert difference is None, difference


def small_tokenizer():
    return texts.alphabet_tokenizer(["abcdefghijklmnopqrstuvwxyz ,.!?-_\u00e9\u4e2d\u0e01 0123456789"])


def flag_sets():
    names = ("single_word", "lstrip", "rstrip", "normalized")
    return [dict(zip(names, flags)) for flags in itertools.product((False, True), repeat=4)]


def encode_each(tokenizer, lines):
    """The lines that the package can encode, and its encodings. It panics, to be caught as no Exception, where an rstrip
    token stands before white space that is an lstrip token."""
    encoded = []
    for line in lines:
        try:
            encoded.append((line, tokenizer.encode(line)))
        except BaseException as problem:
            if type(problem).__name__ != "PanicException":
                raise
    assert len(encoded) > 0.7 * len(lines)
    return zip(*encoded)


@pytest.mark.parametrize("special", [False, True])
def test_added_tokens_of_every_flag_combination_are_found_in_the_same_places(special, tmp_path):
    rng = random.Random(f"added {special}")
    contents = ["Foo", "Foo Bar", "ab", "abc", "b c", "\u00c9t\u00e9", "e\u0301", "<x>", "[N]", " ", "  ", "a ", " a",
                "\u4e2d", "_", "B", "-", "\u00a0x", "Zz\u0301\u0323"]
    for flags in flag_sets():
        tokenizer = small_tokenizer()
        chosen = rng.sample(contents, 7)
        tokenizer.add_tokens([AddedToken(chosen[0], special=special, **flags)])
        for content in chosen[1:]:
            mixed = rng.choice(flag_sets())
            tokenizer.add_tokens([AddedToken(content, special=rng.random() < 0.3, **mixed)])
        pieces = [*chosen, *(content.upper() for content in chosen), "x", " ", "  ", "\t", "\u3000", "_", "\u0301", ",", "q"]
        lines = ["".join(rng.choices(pieces, k=rng.randint(1, 9))) for _ in range(1500)]
        lines, theirs = encode_each(tokenizer, lines)
        ours = oracle.encode([oracle.record(line) for line in lines], *as_written(tokenizer, tmp_path))
        difference = oracle.first_difference(lines, ours, theirs)
        assert difference is None, difference


def test_a_single_word_token_looks_at_the_character_on_either_side_of_it(tmp_path):
    tokenizer = small_tokenizer()
    tokenizer.add_tokens([AddedToken("[X]", single_word=True, normalized=False)])
    every = [char for char in texts.all_characters() if char < "\U00020000"]
    assert_same(tokenizer, [f"{char}[X] [X]{char}" for char in every], tmp_path)


def test_special_tokens_typed_in_are_found(tmp_path):
    tokenizer = small_tokenizer()
    tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[MASK]", "[NEW]"])
    rng = random.Random("special")
    pieces = ["[CLS]", "[SEP]", "[MASK]", "[mask]", "[NEW]", "[NEW", "[[NEW]]", "[", "]", " ", "word", "\u00e9", "[CLS"]
    lines = ["".join(rng.choices(pieces, k=rng.randint(1, 12))) for _ in range(5000)]
    assert_same(tokenizer, lines, tmp_path)


TEMPLATES = {
    "bert": None,
    "types": dict(single="[CLS]:3 $A:2 [SEP]:1", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"),
    "second_first": dict(single="$A", pair="[SEP]:7 $B:1 [CLS]:0 $A:0"),
    "no_special": dict(single="$A", pair="$A $B:1"),
    "twice": dict(single="[CLS] $A [SEP] [SEP]", pair="[CLS] $A [SEP] [SEP] $B:1 [SEP]:1"),
}


def pair_tokenizer(template):
    tokenizer = small_tokenizer()
    if TEMPLATES[template]:
        specials = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = processors.TemplateProcessing(special_tokens=specials, **TEMPLATES[template])
    return tokenizer


def truncated(tokenizer, text, pair, max_tokens, strategy, direction):
    """The package's answer: (ids, type ids), or None where it raises (some of its versions do so when truncation is set,
    others when a text is encoded)."""
    try:
        tokenizer.enable_truncation(max_tokens, strategy=strategy, direction=direction)
        encoding = tokenizer.encode(text, pair)
    except BaseException as problem:  # a panic of the package is no Exception
        if isinstance(problem, KeyboardInterrupt):
            raise
        return None
    return encoding.ids, encoding.type_ids


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_pairs_and_truncation_keep_the_same_tokens(template, direction, tmp_path):
    tokenizer = pair_tokenizer(template)
    arguments = as_written(tokenizer, tmp_path)
    if direction == "left":
        arguments[2].write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "truncation_side": "left"}')
    lengths = (0, 1, 2, 5, 8, 9)
    cases = []
    for first, second in itertools.product(lengths, (None, *lengths)):
        text = "".join("abcdefghi"[:first])
        pair = None if second is None else "".join("zyxwvutsr"[:second])
        for max_tokens, strategy in itertools.product((*range(0, 14), 17, 30), oracle.STRATEGIES):
            cases.append((text, pair, max_tokens, strategy))
    ours = oracle.encode([oracle.record(*case) for case in cases], *arguments)
    for case, own in zip(cases, ours, strict=True):
        text, pair, max_tokens, strategy = case
        tokenizer.no_truncation()
        specials = tokenizer.num_special_tokens_to_add(pair is not None)
        theirs = truncated(tokenizer, text, pair, max_tokens, strategy, direction) if max_tokens >= specials else None
        assert (own and own[:2]) == (theirs and tuple(theirs)), case
        tokenizer.no_truncation()
        if own:
            assert own[2] == len(tokenizer.encode(text, pair).ids), case
