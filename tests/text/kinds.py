"""Tokenizers of every kind, trained on random texts and a few words, for test_kinds.py and bench/tokenizer/kinds.py."""

import collections
import json
import struct

import texts
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)"
          r"|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def byte_level(corpus, size=2000, split=None, specials=SPECIALS, add_prefix_space=False, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if split is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def roberta(corpus, size=2000, **options):
    tokenizer = byte_level(corpus, size, **options)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer


def modernbert(corpus, size=2000):
    tokenizer = byte_level(corpus, size, specials=BERT_SPECIALS)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_tokens([AddedToken(" " * width, normalized=True) for width in range(2, 6)])
    return tokenizer


def llama3(corpus, size=2000, split=LLAMA3):
    tokenizer = byte_level(corpus, size, split, ignore_merges=True)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 0)])])
    return tokenizer


def characters_bpe(corpus, size=2000, **model):
    """BPE on characters, with what sentencepiece's BPE models and older ones use."""
    model = dict(unk_token="<unk>", **model)
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    affixes = {key: model[key] for key in ("continuing_subword_prefix", "end_of_word_suffix") if key in model}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIALS, limit_alphabet=300, show_progress=False, **affixes)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def bytes_fallback_bpe(corpus, size=1500):
    """Llama 2's form: Prepend, Replace, no pre-tokenizer, tokens for bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    trainer = trainers.BpeTrainer(vocab_size=size, limit_alphabet=200, show_progress=False,
                                  special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    tokenizer.train_from_iterator([line[:200] for line in corpus], trainer)
    return tokenizer


def charsmap(mapping):
    """A sentencepiece charsmap (darts-clone double array; a block of 256 units a node) that replaces each key."""
    texts_, offsets, trie = b"", {}, {}
    for key, value in mapping.items():
        offsets[key] = len(texts_)
        texts_ += value.encode() + b"\0"
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = offsets[key]
    units, blocks = [0] * 256, [256]

    def place(at, node, unit):
        """Writes the unit at `at`, whose children begin a block of their own."""
        base = blocks[0]
        blocks[0] += 256
        units.extend([0] * 256)
        offset = at ^ base
        wide = offset >= 1 << 21
        assert not wide
        units[at] = unit | offset << 10 | (256 if None in node else 0)
        if None in node:
            units[base] = node[None]
        for byte, child in node.items():
            if byte is not None:
                place(base ^ byte, child, byte)

    place(0, trie, 0)
    data = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(data)) + data + texts_


def nmt_nfkc_map():
    """Like sentencepiece's nmt_nfkc: what NFKC changes, in single characters and in a base with a mark, and its controls."""
    nfkc, mapping = normalizers.NFKC().normalize_str, {}
    for char in texts.all_characters():
        if char < "\U00020000" and not "\uac00" <= char <= "\ud7a3" and nfkc(char) != char and len(nfkc(char)) < 20:
            mapping[char] = nfkc(char)
    for base in "AEIOUaeiounNcCsSzZ\u03b1\u03b5":
        for mark in "\u0300\u0301\u0302\u0303\u0308\u030a\u0327":
            if len(nfkc(base + mark)) == 1:
                mapping[base + mark] = nfkc(base + mark)
    for point in (9, 10, 12, 13, 0x1680, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD):
        mapping[chr(point)] = " "
    for point in (*range(1, 9), 11, *range(14, 32), 127, 0x8F, 0x9F):
        mapping[chr(point)] = ""
    mapping.pop("\0", None)
    return mapping


def protobuf_field(data, wanted):
    """The bytes of a length-delimited field of a protobuf message."""
    def varint(at):
        value, shift = 0, 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value, at

    at = 0
    while at < len(data):
        key, at = varint(at)
        if key & 7 == 2:
            length, at = varint(at)
            if key >> 3 == wanted:
                return data[at:at + length]
            at += length
        elif key & 7 == 0:
            _, at = varint(at)
        else:
            at += 8 if key & 7 == 1 else 4
    raise KeyError(wanted)


def sentencepiece_charsmap(sentencepiece, rule, directory):
    """The map that the sentencepiece package writes for one of its normalization rules."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the quick brown fox jumps over the lazy dog"] * 50), model_prefix=str(directory / rule), vocab_size=60, normalization_rule_name=rule,
        hard_vocab_limit=False, minloglevel=2)
    model = (directory / f"{rule}.model").read_bytes()
    return protobuf_field(protobuf_field(model, 3), 2)  # ModelProto.normalizer_spec.precompiled_charsmap


def unigram_vocabulary(corpus, normalizer, pre_tokenizer, size, specials=SPECIALS):
    common = collections.Counter(char for line in corpus for char in line).most_common(size // 5)
    known = {char for char, _ in common}
    corpus = ["".join(char for char in line if char in known) for line in corpus]
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=size, special_tokens=specials,
                                                                  unk_token="<unk>", show_progress=False))
    return tokenizer


def metaspace_words():
    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])


def xlm_roberta(corpus, size=2000, precompiled=None):
    normalizer = normalizers.Sequence([
        normalizers.Precompiled(precompiled or charsmap(nmt_nfkc_map())), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer = unigram_vocabulary(corpus, normalizer, metaspace_words(), size)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer


def albert(corpus, size=2000, precompiled=None):
    normalizer = normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
        normalizers.Lowercase(), normalizers.Precompiled(precompiled or charsmap(nmt_nfkc_map())), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer = unigram_vocabulary(corpus, normalizer, metaspace_words(), size, ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def deberta_v2(corpus, size=2000, split_by_punct=False, prepend_scheme="always"):
    normalizer = normalizers.Sequence([
        normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.NFC(), normalizers.Strip(left=False, right=True)])
    stages = [pre_tokenizers.Punctuation("isolated")] if split_by_punct else []
    stages.append(pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme))
    return unigram_vocabulary(corpus, normalizer, pre_tokenizers.Sequence(stages), size)


def whole_text_unigram(corpus, size=1000):
    """T5's form of Metaspace without splits: a text is one word; unknown characters become their bytes."""
    tokenizer = deberta_v2([line[:100] for line in corpus], size)
    state = json.loads(tokenizer.to_str())["model"]
    vocab = [*map(tuple, state["vocab"]), *((f"<0x{byte:02X}>", -50.0) for byte in range(256))]
    tokenizer.model = models.Unigram(vocab, state["unk_id"], True)
    tokenizer.normalizer = normalizers.Nmt()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False, prepend_scheme="first")
    return tokenizer


def word_level(corpus):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    tokenizer.train_from_iterator(corpus, trainers.WordLevelTrainer(vocab_size=3000, special_tokens=SPECIALS, show_progress=False))
    return tokenizer


KINDS = {
    "roberta": roberta,
    "roberta_prefix_space": lambda corpus: roberta(corpus, add_prefix_space=True),
    "modernbert": modernbert,
    "llama3": llama3,
    "qwen2": lambda corpus: llama3(corpus, split=QWEN2),
    "cl100k": lambda corpus: llama3(corpus, split=CL100K),
    "characters_bpe": characters_bpe,
    "characters_bpe_fused": lambda corpus: characters_bpe(corpus, fuse_unk=True),
    "prefix_bpe": lambda corpus: characters_bpe(corpus, continuing_subword_prefix="##"),
    "suffix_bpe": lambda corpus: characters_bpe(corpus, end_of_word_suffix="</w>"),
    "bytes_fallback_bpe": bytes_fallback_bpe,
    "xlm_roberta": xlm_roberta,
    "albert": albert,
    "deberta_v2": deberta_v2,
    "deberta_v2_punct": lambda corpus: deberta_v2(corpus, split_by_punct=True, prepend_scheme="first"),
    "whole_text_unigram": whole_text_unigram,
    "word_level": word_level,
}
