#include "text/unicode.h"

/* The Unicode Standard, 3.12: Hangul syllables decompose by arithmetic. */
enum {
    HANGUL_FIRST = 0xAC00,
    HANGUL_LAST = 0xD7A3,
    HANGUL_COUNT = HANGUL_LAST - HANGUL_FIRST + 1,
    JAMO_LEAD = 0x1100,
    JAMO_LEADS = 19,
    JAMO_VOWEL = 0x1161,
    JAMO_TAIL = 0x11A7, /* one before the first tail: a remainder of 0 is none */
    JAMO_TAILS = 28,
    JAMO_VOWELS = 21,
    JAMO_VOWELS_TAILS = JAMO_VOWELS * JAMO_TAILS,
};

static size_t decompose_hangul(uint32_t point, uint32_t *out)
{
    uint32_t index = point - HANGUL_FIRST, tail = index % JAMO_TAILS;
    out[0] = JAMO_LEAD + index / JAMO_VOWELS_TAILS;
    out[1] = JAMO_VOWEL + index % JAMO_VOWELS_TAILS / JAMO_TAILS;
    if (tail == 0)
        return 2;
    out[2] = JAMO_TAIL + tail;
    return 3;
}

/* The pool's entry at `offset`: a count and that many code points; offset 0 maps a point to itself. */
static size_t copy_entry(const uint32_t *pool, size_t offset, uint32_t point, uint32_t *out)
{
    if (offset == 0) {
        out[0] = point;
        return 1;
    }
    size_t count = pool[offset];
    for (size_t i = 0; i < count; i++)
        out[i] = pool[offset + 1 + i];
    return count;
}

size_t unicode_decompose(uint32_t point, uint32_t out[UNICODE_MAX_DECOMPOSITION])
{
    if (point >= HANGUL_FIRST && point <= HANGUL_LAST)
        return decompose_hangul(point, out);
    size_t block = unicode_decomposition_blocks[point / UNICODE_BLOCK];
    size_t offset = unicode_decomposition_values[block * UNICODE_BLOCK + point % UNICODE_BLOCK];
    return copy_entry(unicode_decomposition_pool, offset, point, out);
}

size_t unicode_decompose_compatibly(uint32_t point, uint32_t out[UNICODE_MAX_COMPATIBILITY])
{
    size_t block = unicode_compatibility_blocks[point / UNICODE_BLOCK];
    size_t offset = unicode_compatibility_values[block * UNICODE_BLOCK + point % UNICODE_BLOCK];
    return offset ? copy_entry(unicode_compatibility_pool, offset, point, out)
                  : unicode_decompose(point, out);
}

uint32_t unicode_compose(uint32_t first, uint32_t second)
{
    uint32_t lead = first - JAMO_LEAD, vowel = second - JAMO_VOWEL;
    if (lead < JAMO_LEADS && vowel < JAMO_VOWELS)
        return HANGUL_FIRST + (lead * JAMO_VOWELS + vowel) * JAMO_TAILS;
    uint32_t syllable = first - HANGUL_FIRST, tail = second - JAMO_TAIL;
    if (syllable < HANGUL_COUNT && syllable % JAMO_TAILS == 0 && tail > 0 && tail < JAMO_TAILS)
        return first + tail;
    size_t block = unicode_composition_blocks[first / UNICODE_BLOCK];
    size_t offset = unicode_composition_values[block * UNICODE_BLOCK + first % UNICODE_BLOCK];
    const uint32_t *pair = unicode_composition_pool + offset + 1;
    for (size_t left = unicode_composition_pool[offset]; left > 0; left -= 2, pair += 2)
        if (pair[0] == second)
            return pair[1];
    return 0;
}

size_t unicode_lower(uint32_t point, uint32_t out[UNICODE_MAX_LOWER])
{
    size_t block = unicode_lower_blocks[point / UNICODE_BLOCK];
    size_t offset = unicode_lower_values[block * UNICODE_BLOCK + point % UNICODE_BLOCK];
    return copy_entry(unicode_lower_pool, offset, point, out);
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

uint32_t utf8_decode(const char **at, const char *end)
{
    const unsigned char *s = (const unsigned char *)*at;
    size_t left = (size_t)(end - *at);
    unsigned char lead = s[0];
    if (lead < 0x80) {
        *at += 1;
        return lead;
    }
    if (lead >= 0xC2 && lead < 0xE0 && left >= 2 && is_continuation(s[1])) {
        *at += 2;
        return (uint32_t)(lead & 0x1F) << 6 | (s[1] & 0x3F);
    }
    if (lead >= 0xE0 && lead < 0xF0 && left >= 3 && is_continuation(s[1]) && is_continuation(s[2])) {
        uint32_t point = (uint32_t)(lead & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
        if (point >= 0x800 && (point < 0xD800 || point > 0xDFFF)) {
            *at += 3;
            return point;
        }
    }
    if (lead >= 0xF0 && lead < 0xF5 && left >= 4 && is_continuation(s[1]) && is_continuation(s[2]) &&
        is_continuation(s[3])) {
        uint32_t point = (uint32_t)(lead & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 |
                         (uint32_t)(s[2] & 0x3F) << 6 | (s[3] & 0x3F);
        if (point >= 0x10000 && point < 0x110000) {
            *at += 4;
            return point;
        }
    }
    *at += 1;
    return UNICODE_REPLACEMENT;
}

uint32_t utf8_decode_last(const char *start, const char *end)
{
    const char *at = end - 1;
    while (at > start && end - at < 4 && is_continuation((unsigned char)*at))
        at--;
    return utf8_decode(&at, end);
}

char *utf8_encode(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xC0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *out++ = (char)(0xE0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    } else {
        *out++ = (char)(0xF0 | point >> 18);
        *out++ = (char)(0x80 | (point >> 12 & 0x3F));
        *out++ = (char)(0x80 | (point >> 6 & 0x3F));
        *out++ = (char)(0x80 | (point & 0x3F));
    }
    return out;
}
