/* The BertNormalizer: cleaned, spaced, stripped and lower-cased text, in that order. */
#ifndef LINNET_TEXT_NORMALIZER_H
#define LINNET_TEXT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct normalizer {
    bool clean_text;           /* drop controls, make every white space a space */
    bool handle_chinese_chars; /* spaces around CJK ideographs */
    bool strip_accents;        /* decompose (NFD) and drop nonspacing marks */
    bool lowercase;
};

/* What normalizer_apply() writes at most for `length` bytes of text. */
size_t normalizer_bound(size_t length);

/* Writes the normalized text to `out`, which has normalizer_bound(length) bytes, and its length to
 * *out_length. `scratch` is touched only where combining marks stand out of order. False when it has no
 * memory. */
bool normalizer_apply(const struct normalizer *normalizer, const char *text, size_t length, char *out,
                      size_t *out_length, struct arena *scratch);

#endif
