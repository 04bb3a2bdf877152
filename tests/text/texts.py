"""Random texts that a tokenizer finds hard, and tokenizers that tell them apart. Seeded: the same in every run."""

import random
import unicodedata

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

MARKS = [chr(cp) for cp in range(0x20000) if unicodedata.combining(chr(cp))]
BASES = "aeiouAEIOUnNsS\u0e40\u05d0\u0915\u03b1\u0391\u0130\u0131"
RANGES = [(0x20, 0x7E)] * 6 + [(0xA0, 0x24F)] * 3 + [
    (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xEFF), (0x10A0, 0x13FF), (0x1D00, 0x20CF),
    (0x2000, 0x206F), (0x2100, 0x2BFF), (0x3000, 0x30FF), (0x3400, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3),
    (0xF900, 0xFFFD), (0x10000, 0x11FFF), (0x1D100, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2FA1F), (0xE0000, 0xE01EF)]
SPACES = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u180e\u2000\u2028\u2029\u202f\u3000\u200b\ufeff"
CONTROLS = "\0\x01\x07\x7f\x80\x9f\xad\u200c\u200d\u200e\u202a\u2060\ufffd\ufff9\ue000\U000f0000"
SPECIALS = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[cls]", "[SEP", "[MASK]]", "[ SEP ]", "[unused5]", "##ing", "#"]


def characters(rng, count):
    low, high = rng.choice(RANGES)
    return "".join(chr(rng.randint(low, high)) for _ in range(count))


def marked(rng):
    """Base letters under runs of combining marks in no particular order."""
    return "".join(rng.choice(BASES) + "".join(rng.choices(MARKS, k=rng.randint(0, 6))) for _ in range(rng.randint(1, 4)))


def word(rng, words):
    kind = rng.random()
    if kind < 0.35:
        text = rng.choice(words)
        return rng.choice([text, text.upper(), text.title(), text + rng.choice(".,!?'-")])
    if kind < 0.55:
        return characters(rng, rng.randint(1, 8))
    if kind < 0.70:
        return marked(rng)
    if kind < 0.78:
        return rng.choice(SPECIALS)
    if kind < 0.84:
        return rng.choice(CONTROLS) * rng.randint(1, 2)
    if kind < 0.90:
        return "".join(rng.choices(SPACES, k=rng.randint(1, 4)))
    if kind < 0.92:
        return rng.choice(["a", "\u00e9", "\u4e2d", "x\u0301", "\U0001f600"]) * rng.choice([98, 99, 100, 101, 102, 250])
    return "".join(rng.choice(words) for _ in range(3))


def line(rng, words):
    return "".join(word(rng, words) + rng.choice(["", " ", " ", " "]) for _ in range(rng.randint(0, 7)))


def lines(seed, count, words=("the", "film", "unbelievable", "naive", "co-op", "don't", "stra\u00dfe", "caf\u00e9")):
    rng = random.Random(seed)
    return [line(rng, words) for _ in range(count)]


def all_characters():
    return [chr(cp) for cp in range(0x110000) if not 0xD800 <= cp <= 0xDFFF]


def alphabet_tokenizer(texts, prefix="##", max_characters=100, **options):
    """A tokenizer whose vocabulary spells every character that the texts normalize to, so that no difference in
    normalization hides in an unknown token. Characters without a meaning of their own stay unknown."""
    settings = dict(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    normalizer = normalizers.BertNormalizer(**{**settings, **options})
    seen = set()
    for start in range(0, len(texts), 1000):
        seen.update(normalizer.normalize_str("\n".join(texts[start:start + 1000])))
    known = sorted(char for char in seen if unicodedata.category(char) not in ("Cn", "Co", "Cs"))
    tokens = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *(prefix + char for char in known)])
    vocab = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", continuing_subword_prefix=prefix,
                                           max_input_chars_per_word=max_characters))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    return tokenizer
