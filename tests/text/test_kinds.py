"""Ids equal to those of the `tokenizers` package for every kind of tokenizer, normalizer and pre-tokenizer.

Run: LINNET_BUILD=build/release pytest tests/text; `make exhaustive` sends every character through every part, and 200,000
lines through each kind.
"""

import itertools
import os
import random

import kinds
import oracle
import pytest
import texts
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

FUZZ_LINES = int(os.environ.get("LINNET_FUZZ_LINES", "200000")) // 40


def write(tokenizer, directory):
    """encode_lines' arguments for a tokenizer.json that is to be taken as it stands."""
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return "json", directory / "tokenizer.json", directory / "tokenizer_config.json"


def assert_same(tokenizer, lines, directory):
    ours = oracle.encode([oracle.record(line) for line in lines], *write(tokenizer, directory))
    difference = oracle.first_difference(lines, ours, tokenizer.encode_batch(lines))
    assert difference is None, difference


def every_character(width=16):
    every = texts.all_characters()
    return ["".join(f"a{char}b {char} " for char in every[at:at + width]) for at in range(0, len(every), width)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    corpus, known = texts.lines("corpus", 6000), {}

    def get(kind):
        if kind not in known:
            known[kind] = kinds.KINDS[kind](corpus)
        return known[kind]
    return get


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_random_texts_give_the_same_ids(kind, trained, tmp_path):
    assert_same(trained(kind), texts.lines(kind, FUZZ_LINES), tmp_path)


@pytest.mark.skipif(not oracle.DATA.exists(), reason=f"needs {oracle.DATA}")
@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["roberta", "llama3", "xlm_roberta", "albert", "deberta_v2"])
def test_the_data_sets_give_the_same_ids(kind, tmp_path):
    lines = set()
    for name in ("dev.tsv", "train.tsv"):
        for row in (oracle.DATA / name).read_text(encoding="utf-8").split("\n")[1:]:
            lines.update(row.split("\t")[:2])
    lines = sorted(lines)
    assert_same(kinds.KINDS[kind](lines), lines, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["roberta", "xlm_roberta"] + [
    pytest.param(kind, marks=pytest.mark.exhaustive) for kind in ("llama3", "modernbert", "albert", "deberta_v2_punct")])
def test_every_character_gives_the_same_ids_alone_and_inside_a_word(kind, trained, tmp_path):
    assert_same(trained(kind), every_character(), tmp_path)


def spelling(normalizer=None, pre_tokenizer=None):
    """A tokenizer that spells the bytes of what the parts make of a text, with a "#" before each character that does not
    begin a word: no difference can hide."""
    vocab = {f"<0x{byte:02X}>": byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab, [], byte_fallback=True, continuing_subword_prefix="#"))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


NORMALIZERS = {
    "nfc": normalizers.NFC(),
    "nfd": normalizers.NFD(),
    "nfkc": normalizers.NFKC(),
    "nfkd": normalizers.NFKD(),
    "lowercase": normalizers.Lowercase(),
    "strip_accents": normalizers.StripAccents(),
    "strip": normalizers.Strip(),
    "strip_left": normalizers.Strip(left=True, right=False),
    "nmt": normalizers.Nmt(),
    "prepend": normalizers.Prepend("\u2581x"),
    "replace": normalizers.Replace("the", "\u00e9 "),
    "replace_nothing": normalizers.Replace("e", ""),
    "replace_spaces": normalizers.Replace(Regex(" {2,}"), "\u2581"),
    "replace_deberta": normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "),
    "replace_classes": normalizers.Replace(Regex(r"[^\p{L}\p{N}\s'-]+|\d{2,3}|[a-cx" "\u00e0-\u00ff" r"]{3}|\S{40,}"), "<>"),
    "replace_numbers": normalizers.Replace(Regex(r"\p{N}"), "0"),
    "bert": normalizers.BertNormalizer(),
    "sequence": normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
                                      normalizers.Strip(), normalizers.NFC()]),
    "charsmap": normalizers.Precompiled(kinds.charsmap(kinds.nmt_nfkc_map())),
    # A map for what follows the clusters' rules: letters that stand before joining characters, and those themselves.
    "charsmap_clusters": normalizers.Precompiled(kinds.charsmap(
        {char: f"<{ord(char):x}>" for char in
         "ae\r\n\u00a9\u263a\u0301\u200d\u0600\u0903\u1100\u1161\u11a8\u0915\u094d\u0958\u0e33\u00e9\u200c\u0e40"
         "\u05d0\u0391"} | {"a\u0301": "<joined>"})),
}


@pytest.mark.parametrize("name", NORMALIZERS)
def test_normalizers_write_the_same_text(name, tmp_path):
    assert_same(spelling(NORMALIZERS[name]), texts.lines(name, FUZZ_LINES), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.heavy
@pytest.mark.parametrize("name", ["nfc", "nfd", "nfkc", "nfkd", "lowercase", "strip_accents", "strip", "nmt", "charsmap",
                                  "charsmap_clusters", "replace_classes"])
def test_normalizers_write_the_same_text_of_every_character(name, tmp_path):
    marks = "\u0301\u0327\u1161\u11a8\u200d"
    lines = [f"{char}{mark}a{char}" for char in texts.all_characters() if char < "\U00020000" for mark in (marks, "\u0301")]
    assert_same(spelling(NORMALIZERS[name]), every_character() + lines, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.heavy
@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"])
def test_charsmaps_of_sentencepiece_write_the_same_text(rule, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    charsmap = kinds.sentencepiece_charsmap(sentencepiece, rule, tmp_path)
    lines = every_character() + texts.lines(rule, FUZZ_LINES)
    assert_same(spelling(normalizers.Precompiled(charsmap)), lines, tmp_path)


def cluster_text(rng):
    pieces = "a e \r \n \r\n \u00a9 \u263a \u0301 \u0327 \u200d \u0600 \u0903 \u1100 \u1161 \u11a8 \uac00 \uac01 \u0915 \u094d \u0958 " \
             "\u0e33 \u00e9 \u200c \U0001f600 \U0001f1e6 \U0001f3fb \u00ad \u0600 \U000110bd \u0ccd \u0c95 \u09cd".split(" ")
    return "".join(rng.choices(pieces, k=rng.randint(1, 9)))


def test_charsmaps_see_the_same_grapheme_clusters(tmp_path):
    rng = random.Random("clusters")
    lines = [cluster_text(rng) for _ in range(20000)]
    assert_same(spelling(NORMALIZERS["charsmap_clusters"]), lines, tmp_path)


BEHAVIORS = ("isolated", "removed", "contiguous", "merged_with_previous", "merged_with_next")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PRE_TOKENIZERS = {
    "none": None,
    "whitespace": pre_tokenizers.Whitespace(),
    "whitespace_split": pre_tokenizers.WhitespaceSplit(),
    "digits": pre_tokenizers.Digits(),
    "single_digits": pre_tokenizers.Digits(individual_digits=True),
    "delimiter": pre_tokenizers.CharDelimiterSplit("\u00e9"),
    "bert": pre_tokenizers.BertPreTokenizer(),
    "metaspace": pre_tokenizers.Metaspace(),
    "metaspace_whole": pre_tokenizers.Metaspace(split=False),
    "metaspace_first": pre_tokenizers.Metaspace(prepend_scheme="first"),
    "metaspace_never": pre_tokenizers.Metaspace("_", prepend_scheme="never"),
    "gpt2": pre_tokenizers.Split(Regex(GPT2), "isolated"),
    "gpt2_removed": pre_tokenizers.Split(Regex(GPT2), "removed", invert=True),
    "llama3": pre_tokenizers.Split(Regex(kinds.LLAMA3), "isolated"),
    "qwen2": pre_tokenizers.Split(Regex(kinds.QWEN2), "isolated"),
    "cl100k": pre_tokenizers.Split(Regex(kinds.CL100K), "isolated"),
    "sequence": pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Digits(True)]),
    **{f"punctuation_{behavior}": pre_tokenizers.Punctuation(behavior) for behavior in BEHAVIORS},
    **{f"split_{behavior}_{invert}": pre_tokenizers.Split(Regex(r"\s+|\p{N}|[aeiou]"), behavior, invert)
       for behavior in BEHAVIORS for invert in (False, True)},
    "split_string": pre_tokenizers.Split("th", "merged_with_next"),
}


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_pre_tokenizers_make_the_same_words(name, tmp_path):
    assert_same(spelling(pre_tokenizer=PRE_TOKENIZERS[name]), texts.lines(name, FUZZ_LINES), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.heavy
@pytest.mark.parametrize("name", ["whitespace", "digits", "gpt2", "llama3", "punctuation_isolated", "metaspace"])
def test_pre_tokenizers_make_the_same_words_of_every_character(name, tmp_path):
    lines = [f"'{char} 'l{char} {char}e" for char in texts.all_characters() if char < "\U00020000"]
    assert_same(spelling(pre_tokenizer=PRE_TOKENIZERS[name]), every_character() + lines, tmp_path)


def space_text(rng):
    pieces = [" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "a", "b1", "12345", ",", "!!", "'S", "'ll", "'", "\u017f", "'\u017f", "\x1c", "\x85"]
    return "".join(rng.choices(pieces, k=rng.randint(1, 12)))


@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2", "cl100k", "metaspace", "whitespace"])
def test_white_space_and_apostrophes_are_split_the_same(name, tmp_path):
    rng = random.Random(name)
    assert_same(spelling(pre_tokenizer=PRE_TOKENIZERS[name]), [space_text(rng) for _ in range(20000)], tmp_path)


@pytest.mark.parametrize("prepend_scheme", ["always", "first", "never"])
def test_added_tokens_are_found_the_same_beside_a_metaspace(prepend_scheme, tmp_path):
    rng = random.Random(prepend_scheme)
    tokenizer = spelling(normalizers.Sequence([normalizers.Strip(), normalizers.Lowercase()]),
                         pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme))
    tokenizer.add_tokens([AddedToken("[A]", normalized=True), AddedToken("[B]", normalized=False, lstrip=True),
                          AddedToken("[C]", normalized=False, rstrip=True), AddedToken("b", normalized=True)])
    pieces = ["[A]", "[a]", "[B]", "[C]", " ", "  ", "b", "x", "\u2581", "\t", "B"]
    lines = ["".join(rng.choices(pieces, k=rng.randint(1, 8))) for _ in range(20000)]
    assert_same(tokenizer, lines, tmp_path)


def small_merges():
    """Merges over a few letters, in an order that makes many of them compete."""
    rng = random.Random("merges")
    tokens, merges = list("abcd"), []
    while len(merges) < 300:
        pair = (rng.choice(tokens), rng.choice(tokens))
        if len(pair[0] + pair[1]) <= 12 and pair not in merges:
            merges.append(pair)
            if pair[0] + pair[1] not in tokens:
                tokens.append(pair[0] + pair[1])
    return {token: number for number, token in enumerate(["<unk>", *tokens])}, merges


@pytest.mark.parametrize("options", [{}, dict(unk_token="<unk>"), dict(unk_token="<unk>", fuse_unk=True), dict(ignore_merges=True)],
                         ids=str)
def test_merges_that_compete_are_made_in_the_same_order(options, tmp_path):
    rng = random.Random(str(options))
    vocab, merges = small_merges()
    tokenizer = Tokenizer(models.BPE(vocab, merges, **options))
    lengths = [*range(1, 40), 63, 64, 65, 66, 200, 3000]
    lines = ["".join(rng.choices("abcdx", (9, 9, 9, 9, 1), k=rng.choice(lengths))) for _ in range(5000)]
    assert_same(tokenizer, lines, tmp_path)


def test_scores_that_tie_are_resolved_the_same(tmp_path):
    rng = random.Random("ties")
    tokens = {"".join(rng.choices("abc", k=rng.randint(1, 5))) for _ in range(120)} - {"c"}
    vocab = [("<unk>", 0.0), *((token, -float(rng.choice([1, 2, 2, 3, 3, 4]))) for token in sorted(tokens)), ("d", 0.0)]
    for byte_fallback in (False, True):
        extra = [(f"<0x{byte:02X}>", -9.0) for byte in range(256) if byte != 0xC3] if byte_fallback else []
        tokenizer = Tokenizer(models.Unigram(vocab + extra, 0, byte_fallback))
        lines = ["".join(rng.choices("abcdx\u00e9\u4e2d", (9, 9, 5, 2, 1, 1, 1), k=rng.randint(1, 30))) for _ in range(8000)]
        assert_same(tokenizer, [*lines, *(f"{line}<unk>{line}x<unk>" for line in lines[:500])], tmp_path)


PROCESSORS = {
    "roberta": processors.RobertaProcessing(("</s>", 2), ("<s>", 0)),
    "byte_level": processors.ByteLevel(),
    "sequence": processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)])]),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_pairs_and_truncation_keep_the_same_tokens(name, trained, tmp_path):
    tokenizer = Tokenizer.from_str(trained("roberta").to_str())
    tokenizer.post_processor = PROCESSORS[name]
    arguments = write(tokenizer, tmp_path)
    cases = [(first, second, most) for first, second in itertools.product(("", "a b c", "a b c d e f g"), (None, "", "x y z w"))
             for most in (5, 6, 8, 30)]
    ours = oracle.encode([oracle.record(*case) for case in cases], *arguments)
    for (first, second, most), own in zip(cases, ours, strict=True):
        tokenizer.enable_truncation(most)
        theirs = tokenizer.encode(first, second)
        assert own[:2] == (theirs.ids, theirs.type_ids), (first, second, most)


def trimming_tokenizer(model):
    """Its tokens and its unknown stretches begin and end in what is trimmed: white space, and U+0120."""
    known = [" a", "a ", "a", "b", "\u0120b", "\u0120", "  ", "b\n", "<0x20>", "<0x0A>", "<0xC4>", "<0xA0>"]
    if model.startswith("unigram"):
        vocab = [("<unk>", 0.0), *((token, -float(number)) for number, token in enumerate(known))]
        return Tokenizer(models.Unigram(vocab, 0, model == "unigram_bytes"))
    vocab = {token: number for number, token in enumerate(["<unk>", *known])}
    if model == "word_level":
        return Tokenizer(models.WordLevel(vocab, "<unk>"))
    if model == "wordpiece":
        return Tokenizer(models.WordPiece({**vocab, "##a": 13, "##\u0120": 14, "## ": 15}, unk_token="<unk>"))
    return Tokenizer(models.BPE(vocab, [], unk_token="<unk>", fuse_unk=model == "bpe_fused", byte_fallback=model == "bpe_bytes"))


@pytest.mark.parametrize("unknown", ["<unk>", " <unk> "])
@pytest.mark.parametrize("model", ["unigram", "unigram_bytes", "word_level", "wordpiece", "bpe", "bpe_fused", "bpe_bytes"])
def test_places_are_trimmed_by_the_same_white_space(model, unknown, tmp_path):
    rng = random.Random(model)
    state = trimming_tokenizer(model).to_str().replace("<unk>", unknown)
    pieces = ["a", "b", " ", "\n", "\u0120", "\t", "\u3000", "\u00a0", "x", "\u4e2d", "  ", "\u0120\u0120", "<unk>", "[A]", " [A]", "\x1c", "\x85"]
    lines = ["".join(rng.choices(pieces, k=rng.randint(1, 8))) for _ in range(1500)]
    splits = [None, pre_tokenizers.Split(Regex(r"\s+|[ab]"), "merged_with_previous"), pre_tokenizers.Metaspace(" ")]
    for split, (prefix_space, post) in itertools.product(splits, enumerate([processors.ByteLevel, processors.RobertaProcessing])):
        tokenizer = Tokenizer.from_str(state)
        tokenizer.add_tokens([AddedToken("[A]", lstrip=True, rstrip=True, normalized=False)])
        if split:
            tokenizer.pre_tokenizer = split
        arguments = [("b", 4), ("a", 3)] if post is processors.RobertaProcessing else []
        for adds in (False, True):
            tokenizer.post_processor = post(*arguments, trim_offsets=True, add_prefix_space=adds)
            assert_same(tokenizer, lines, tmp_path)
