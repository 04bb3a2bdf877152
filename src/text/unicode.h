/* Code points: UTF-8 in and out, and what the `tokenizers` package knows of each (unicode_tables.c). Any
 * thread. */
#ifndef LINNET_TEXT_UNICODE_H
#define LINNET_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unicode_flag {
    UNICODE_REMOVED = 1 << 0,     /* a control, NUL or U+FFFD: clean_text drops it */
    UNICODE_SPACE = 1 << 1,       /* clean_text makes it a space */
    UNICODE_CHINESE = 1 << 2,     /* handle_chinese_chars puts spaces around it */
    UNICODE_MARK = 1 << 3,        /* strip_accents drops it */
    UNICODE_WHITESPACE = 1 << 4,  /* separates words */
    UNICODE_PUNCTUATION = 1 << 5, /* a word of its own */
    UNICODE_WORD = 1 << 6,        /* beside a single_word added token it forbids the match */
};

/* Of the tables that patterns, normal forms and sentencepiece's charsmaps need. */
enum unicode_kind {
    UNICODE_LETTER = 1 << 0,      /* \p{L} of the package's regular expressions (Oniguruma) */
    UNICODE_NUMBER = 1 << 1,      /* \p{N} */
    UNICODE_REGEX_SPACE = 1 << 2, /* \s */
    UNICODE_DECIMAL = 1 << 3,     /* \d */
    UNICODE_NUMERIC = 1 << 4,     /* a digit to the Digits pre-tokenizer */
    UNICODE_COMBINING = 1 << 5,   /* StripAccents drops it */
    UNICODE_NFC_STABLE = 1 << 6,  /* NFC keeps it where the next character is stable too */
    UNICODE_NFKC_STABLE = 1 << 7,
    /* Bits 8 to 11 are an enum grapheme. The rest is about grapheme clusters too (UAX 29, GB9c and GB11). */
    UNICODE_PICTOGRAPHIC = 1 << 12,
    UNICODE_CONSONANT = 1 << 13,
    UNICODE_LINKER = 1 << 14,
    UNICODE_CONJUNCT_EXTEND = 1 << 15,
};

/* Unicode Standard Annex 29, table 2, as far as clusters of less than 6 bytes depend on it. */
enum grapheme {
    GRAPHEME_OTHER,
    GRAPHEME_CONTROL, /* also CR and LF */
    GRAPHEME_EXTEND,  /* also ZWJ */
    GRAPHEME_SPACING_MARK,
    GRAPHEME_PREPEND,
    GRAPHEME_L,
    GRAPHEME_V,
    GRAPHEME_T,
    GRAPHEME_LV,
    GRAPHEME_LVT,
};

enum {
    UNICODE_BLOCK = 128,
    UNICODE_CLASS_SHIFT = 8,  /* a property's upper bits rank its canonical combining class; 0 is a starter */
    UNICODE_MAX_CLASSES = 64, /* ranks are below it */
    UNICODE_MAX_GROWTH =
        3, /* no decomposition or lower-casing of a character has more than 3 times its bytes */
    UNICODE_REPLACEMENT = 0xFFFD,
};

extern const uint16_t unicode_properties_blocks[8704], unicode_properties_values[];
extern const uint16_t unicode_decomposition_blocks[8704], unicode_decomposition_values[];
extern const uint16_t unicode_lower_blocks[8704], unicode_lower_values[];
extern const uint16_t unicode_kinds_blocks[8704], unicode_kinds_values[];
extern const uint16_t unicode_compatibility_blocks[8704], unicode_compatibility_values[];
extern const uint16_t unicode_composition_blocks[8704], unicode_composition_values[];
extern const uint32_t unicode_decomposition_pool[], unicode_lower_pool[];
extern const uint32_t unicode_compatibility_pool[], unicode_composition_pool[];

/* enum unicode_flag bits and the combining class of a code point below 0x110000. */
static inline unsigned unicode_properties(uint32_t point)
{
    size_t block = unicode_properties_blocks[point / UNICODE_BLOCK];
    return unicode_properties_values[block * UNICODE_BLOCK + point % UNICODE_BLOCK];
}

static inline unsigned unicode_class(uint32_t point)
{
    return unicode_properties(point) >> UNICODE_CLASS_SHIFT;
}

/* enum unicode_kind bits and the grapheme of a code point below 0x110000. */
static inline unsigned unicode_kinds(uint32_t point)
{
    size_t block = unicode_kinds_blocks[point / UNICODE_BLOCK];
    return unicode_kinds_values[block * UNICODE_BLOCK + point % UNICODE_BLOCK];
}

static inline enum grapheme unicode_grapheme(unsigned kinds)
{
    return (enum grapheme)(kinds >> 8 & 0xF);
}

/* The full canonical decomposition (NFD before reordering) in out[0..4); returns its length, 1 for most. */
enum { UNICODE_MAX_DECOMPOSITION = 4 };
size_t unicode_decompose(uint32_t point, uint32_t out[UNICODE_MAX_DECOMPOSITION]);

/* The same with compatibility decompositions (NFKD), in out[0..18). */
enum { UNICODE_MAX_COMPATIBILITY = 18 };
size_t unicode_decompose_compatibly(uint32_t point, uint32_t out[UNICODE_MAX_COMPATIBILITY]);

/* The character that NFC composes of two, or 0. */
uint32_t unicode_compose(uint32_t first, uint32_t second);

/* The lower case in out[0..2); returns its length. */
enum { UNICODE_MAX_LOWER = 2 };
size_t unicode_lower(uint32_t point, uint32_t out[UNICODE_MAX_LOWER]);

/* Reads the character at *at, which is before `end`, and moves *at past it. Never reads at or past `end`; a
 * byte that begins no valid sequence counts as one U+FFFD. */
uint32_t utf8_decode(const char **at, const char *end);

/* The character that ends at `end`, which is after `start`. */
uint32_t utf8_decode_last(const char *start, const char *end);

/* Writes 1 to 4 bytes and returns the place after them. */
char *utf8_encode(char *out, uint32_t point);

#endif
