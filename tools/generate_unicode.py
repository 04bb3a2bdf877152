#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c: what the `tokenizers` package does with every code point.

Its tables follow no single version of Unicode, so they are asked for, not derived: each property below is one call
of the package for each code point. Needs the package (tests/requirements.txt).

Usage: python tools/generate_unicode.py > src/text/unicode_tables.c
"""

import struct
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [cp for cp in range(0x110000) if not 0xD800 <= cp <= 0xDFFF]
HANGUL = range(0xAC00, 0xD7A4)
BLOCK = 128  # UNICODE_BLOCK in unicode.h

# The bits of enum unicode_flag in unicode.h; the combining class stands above them.
REMOVED, SPACE, CHINESE, MARK, WHITESPACE, PUNCTUATION, WORD = (1 << bit for bit in range(7))
CLASS_SHIFT = 8

# The bits of enum unicode_kind in unicode.h; the grapheme class stands between them.
LETTER, NUMBER, REGEX_SPACE, DECIMAL, NUMERIC, COMBINING, NFC_STABLE, NFKC_STABLE = (1 << bit for bit in range(8))
PICTOGRAPHIC, CONSONANT, LINKER, CONJUNCT_EXTEND = (1 << bit for bit in range(12, 16))
GRAPHEME_SHIFT = 8
CONTROL, EXTEND, SPACING, PREPEND, HANGUL_L, HANGUL_V, HANGUL_T, HANGUL_LV, HANGUL_LVT = range(1, 10)
ACUTE, ZWJ = "\u0301", "\u200d"


def bert(**options):
    settings = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**settings, **options}).normalize_str


def clean_flags(flags):
    clean, chinese, strip = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    for cp in CODE_POINTS:
        char = chr(cp)
        cleaned = clean(char)
        if cleaned == "":
            flags[cp] |= REMOVED
        elif cleaned == " ":
            flags[cp] |= SPACE
        else:
            assert cleaned == char, hex(cp)
        spaced = chinese(char)
        if spaced == f" {char} ":
            flags[cp] |= CHINESE
        else:
            assert spaced == char, hex(cp)
        if strip(char) == "":
            flags[cp] |= MARK


def word_flags(flags):
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("a", single_word=True, normalized=False),
                          AddedToken("b", rstrip=True, normalized=False)])
    alone = tokenizer.token_to_id("a")
    for cp in CODE_POINTS:
        char = chr(cp)
        words = [word for word, _ in split(f"x{char}y")]
        if words == ["x", "y"]:
            flags[cp] |= WHITESPACE
        elif words == ["x", char, "y"]:
            flags[cp] |= PUNCTUATION
        else:
            assert words == [f"x{char}y"], hex(cp)
        if char not in "ab":
            before = alone not in tokenizer.encode(f"{char}a").ids
            after = alone not in tokenizer.encode(f"a{char}").ids
            assert before == after, hex(cp)
            swallowed = tokenizer.encode(f"b{char}").offsets[0][1] == 2
            assert swallowed == bool(flags[cp] & WHITESPACE), hex(cp)
        if char in "ab" or before:
            flags[cp] |= WORD


def kind_flags(kinds):
    def splits(pattern):
        split = pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str
        return lambda char: len(split(char + "!")) == 2

    letter, number, space, decimal = (splits(pattern) for pattern in (r"\p{L}", r"\p{N}", r"\s", r"\d"))
    digits = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str
    strip = normalizers.StripAccents().normalize_str
    for cp in CODE_POINTS:
        char = chr(cp)
        kinds[cp] |= (LETTER * letter(char) | NUMBER * number(char) | REGEX_SPACE * space(char)
                      | DECIMAL * decimal(char) | NUMERIC * (len(digits(char + "!")) == 2)
                      | COMBINING * (strip(char) == ""))


def check_same_tables(flags, lowered):
    """Components that share a table with BERT's."""
    punctuation, words = pre_tokenizers.Punctuation().pre_tokenize_str, pre_tokenizers.WhitespaceSplit().pre_tokenize_str
    lower, strip = normalizers.Lowercase().normalize_str, normalizers.Strip().normalize_str
    word = pre_tokenizers.Whitespace().pre_tokenize_str
    for cp in CODE_POINTS:
        char = chr(cp)
        assert (len(punctuation(f"x{char}")) == 2) == bool(flags[cp] & PUNCTUATION), hex(cp)
        assert (len(words(f"x{char}x")) == 2) == bool(flags[cp] & WHITESPACE), hex(cp)
        assert (strip(char) == "") == bool(flags[cp] & WHITESPACE), hex(cp)
        assert [ord(part) for part in lower(char)] == lowered.get(cp, [cp]), hex(cp)
        assert (len(word(f"x{char}x")) == 1) == bool(flags[cp] & WORD), hex(cp)


def charsmap(key):
    """A sentencepiece charsmap that maps the one string `key` to "X": a darts-clone double array with 256 units a byte
    of it."""
    units, at = [0] * 256 * (len(key.encode()) + 2), 0
    for number, byte in enumerate([*key.encode(), None]):
        offset = at ^ 256 * (number + 1)
        units[at] |= offset << 10
        at ^= offset
        if byte is None:
            units[at] = 0  # the value: where "X" begins
        else:
            at ^= byte
            units[at] = byte | (number + 1 == len(key.encode())) << 8
    trie = struct.pack(f"<{len(units)}I", *units)
    return normalizers.Precompiled(struct.pack("<I", len(trie)) + trie + b"X\0").normalize_str


def grapheme_flags(kinds):
    """Grapheme clusters (UAX 29), asked for through Precompiled, the only component that sees them: it looks up a
    cluster of less than 6 bytes by its first match and drops the rest of it. So a mark behind `key` is dropped where the
    cluster begins with the key, and stays where the key was joined to what stands before it."""
    def joins(key, text=None):
        text = key + ACUTE if text is None else text
        normalize = charsmap(key)
        return lambda before: normalize(before + text).endswith(ACUTE)

    joins_a, joins_l, joins_v, joins_t = joins("a"), joins("\u1100"), joins("\u1161"), joins("\u11a8")
    joins_pictograph, joins_consonant = joins("\u263a"), joins("\u0958")
    joins_copyright = joins("\u00a9")
    extends, control = charsmap("a"), charsmap(ACUTE)
    after = {(True, True, False): HANGUL_L, (False, True, True): HANGUL_V, (False, False, True): HANGUL_T}
    for cp in CODE_POINTS:
        char, grapheme = chr(cp), 0
        hangul = (joins_l(char), joins_v(char), joins_t(char))
        if extends("a" + char) == "X":
            spacing = not joins_pictograph("\u00a9" + char + ZWJ)
            grapheme = SPACING if spacing else EXTEND
            kinds[cp] |= LINKER * joins_consonant("\u0915" + char)
            kinds[cp] |= CONJUNCT_EXTEND * joins_consonant("\u0915" + char + "\u094d")
            assert hangul == (False, False, False), hex(cp)
        elif cp != ord(ACUTE) and control(char + 2 * ACUTE) == char + "X":
            grapheme = CONTROL
        elif joins_a(char):
            grapheme = PREPEND
        elif cp in HANGUL:
            assert hangul == ((False, False, True) if (cp - 0xAC00) % 28 else (False, True, True)), hex(cp)
            grapheme = HANGUL_LVT if (cp - 0xAC00) % 28 else HANGUL_LV
        elif any(hangul):
            grapheme = after[hangul]
        if grapheme == 0 and cp > 0x7F:
            kinds[cp] |= PICTOGRAPHIC * joins_copyright(char + ZWJ)
            if cp < 0x10000:
                kinds[cp] |= CONSONANT * joins(char)("\u0915\u094d")
            else:
                kinds[cp] |= CONSONANT * joins_consonant(char + "\u094d")
        kinds[cp] |= grapheme << GRAPHEME_SHIFT


def compatibility_decompositions(decomposed):
    """Only those that NFD does not have."""
    nfkd = normalizers.NFKD().normalize_str
    found = {}
    for cp in CODE_POINTS:
        to = [ord(char) for char in nfkd(chr(cp))]
        if cp not in HANGUL and to != decomposed.get(cp, [cp]):
            found[cp] = to
    return found


def compositions(decomposed):
    """{first: [(second, composite), ...]}"""
    nfc, pairs = normalizers.NFC().normalize_str, {}
    for cp, to in decomposed.items():
        if nfc("".join(map(chr, to))) != chr(cp):
            continue
        first = nfc("".join(map(chr, to[:-1])))
        assert len(first) == 1 and len(to) > 1, hex(cp)
        pairs.setdefault(ord(first), []).append((to[-1], cp))
    return pairs


def stable_flags(kinds, ranks, composed):
    """Characters that NFC or NFKC leave as they are where the next one is such a character too."""
    seconds = {second for pairs in composed.values() for second, _ in pairs}
    seconds.update(range(0x1161, 0x1176), range(0x11A8, 0x11C3))  # The Unicode Standard, 3.12
    for flag, normalize in ((NFC_STABLE, normalizers.NFC().normalize_str), (NFKC_STABLE, normalizers.NFKC().normalize_str)):
        for cp in CODE_POINTS:
            if not ranks.get(cp) and cp not in seconds and normalize(chr(cp)) == chr(cp):
                kinds[cp] |= flag


def decompositions():
    nfd = normalizers.NFD().normalize_str
    found = {cp: [ord(char) for char in nfd(chr(cp))] for cp in CODE_POINTS}
    found = {cp: to for cp, to in found.items() if to != [cp]}
    for cp in HANGUL:  # The Unicode Standard, 3.12: computed, not stored
        index = cp - HANGUL.start
        parts = [0x1100 + index // 588, 0x1161 + index % 588 // 28] + ([0x11A7 + index % 28] if index % 28 else [])
        assert found.pop(cp) == parts, hex(cp)
    for cp, to in found.items():
        assert all(part not in found for part in to), hex(cp)
    return found


def lower_cases():
    lower = bert(lowercase=True)
    found = {cp: [ord(char) for char in lower(chr(cp))] for cp in CODE_POINTS}
    return {cp: to for cp, to in found.items() if to != [cp]}


def combining_classes(decomposed):
    """Ranks in the order of the package's combining classes; 0 for a starter."""
    nfd = normalizers.NFD().normalize_str

    def swaps(first, second):  # class(first) > class(second) > 0
        return first != second and nfd(first + second) == second + first

    lowest, highest = "\u0334", "\u0345"  # the classes 1 and 240
    marks = [chr(cp) for cp in CODE_POINTS
             if cp not in decomposed and cp not in HANGUL and (swaps(chr(cp), lowest) or swaps(highest, chr(cp)))]
    if highest not in marks:
        marks.append(highest)
    one_of_class = {}
    for mark in marks:
        if unicodedata.combining(mark):
            one_of_class.setdefault(unicodedata.combining(mark), mark)
    references = [mark for _, mark in sorted(one_of_class.items())]
    for left, right in zip(references, references[1:]):
        assert swaps(right, left) and not swaps(left, right), (left, right)
    ranks = {}
    for mark in marks:
        rank = sum(not swaps(reference, mark) for reference in references)
        assert rank > 0 and not swaps(mark, references[rank - 1]), hex(ord(mark))
        ranks[ord(mark)] = rank
    return ranks


def check_assumptions(flags, ranks, decomposed, lowered):
    """What normalizer.c relies on."""
    strip = bert(strip_accents=True)

    def size(points):
        return sum(len(chr(point).encode()) for point in points)

    for cp in CODE_POINTS:
        parts = decomposed.get(cp, [cp])
        if cp not in HANGUL:
            assert strip(chr(cp)) == "".join(chr(part) for part in parts if not flags[part] & MARK), hex(cp)
        assert size(parts) <= 3 * size([cp]), hex(cp)  # UNICODE_MAX_GROWTH
        final = [to for part in parts for to in lowered.get(part, [part]) if not flags[part] & MARK]
        assert size(final) <= 3 * size([cp]) and size(lowered.get(cp, [cp])) <= 3 * size([cp]), hex(cp)
        assert not flags[cp] & CHINESE or size(final) + 2 <= 3 * size([cp]), hex(cp)
        for part in parts:
            if ranks.get(part):
                assert part not in lowered, hex(cp)
    assert max(ranks.values()) < 64


def two_stage(values):
    """(first stage, second stage): value = second[first[cp / BLOCK] * BLOCK + cp % BLOCK]."""
    blocks, first, second = {}, [], []
    for start in range(0, 0x110000, BLOCK):
        block = tuple(values[start:start + BLOCK])
        if block not in blocks:
            blocks[block] = len(blocks)
            second.extend(block)
        first.append(blocks[block])
    return first, second


def pooled(mapping):
    """(offset of each code point's entry or 0, pool): an entry is a count and that many code points."""
    offsets, pool, known = [0] * 0x110000, [0], {}
    for cp, to in sorted(mapping.items()):
        if tuple(to) not in known:
            known[tuple(to)] = len(pool)
            pool += [len(to), *to]
        offsets[cp] = known[tuple(to)]
    assert len(pool) < 0x10000
    return offsets, pool


def write_array(out, kind, name, values):
    out.write(f"const {kind} {name}[{len(values)}] = {{\n")
    line = "   "
    for value in values:
        item = f" {value},"
        if len(line) + len(item) > 110:
            out.write(line + "\n")
            line = "   "
        line += item
    out.write(line + "\n};\n\n")


def main():
    flags, kinds = [0] * 0x110000, [0] * 0x110000
    clean_flags(flags)
    word_flags(flags)
    decomposed, lowered = decompositions(), lower_cases()
    ranks = combining_classes(decomposed)
    check_assumptions(flags, ranks, decomposed, lowered)
    check_same_tables(flags, lowered)
    kind_flags(kinds)
    grapheme_flags(kinds)
    compatible, composed = compatibility_decompositions(decomposed), compositions(decomposed)
    stable_flags(kinds, ranks, composed)
    for cp, rank in ranks.items():
        flags[cp] |= rank << CLASS_SHIFT
    # A lone surrogate is no character; the decoder never yields one.
    out = sys.stdout
    out.write(f"/* Written by tools/generate_unicode.py from tokenizers {tokenizers.__version__}. Do not edit. */\n")
    out.write('/* clang-format off */\n#include "text/unicode.h"\n\n')
    decompose_offsets, decompose_pool = pooled(decomposed)
    lower_offsets, lower_pool = pooled(lowered)
    compatible_offsets, compatible_pool = pooled(compatible)
    composed_offsets, composed_pool = pooled({cp: [part for pair in pairs for part in pair]
                                              for cp, pairs in composed.items()})
    for name, values in (("properties", flags), ("decomposition", decompose_offsets), ("lower", lower_offsets),
                         ("kinds", kinds), ("compatibility", compatible_offsets), ("composition", composed_offsets)):
        first, second = two_stage(values)
        assert len(second) // BLOCK <= 0x10000
        write_array(out, "uint16_t", f"unicode_{name}_blocks", first)
        write_array(out, "uint16_t", f"unicode_{name}_values", second)
    write_array(out, "uint32_t", "unicode_decomposition_pool", decompose_pool)
    write_array(out, "uint32_t", "unicode_lower_pool", lower_pool)
    write_array(out, "uint32_t", "unicode_compatibility_pool", compatible_pool)
    write_array(out, "uint32_t", "unicode_composition_pool", composed_pool)


if __name__ == "__main__":
    main()
