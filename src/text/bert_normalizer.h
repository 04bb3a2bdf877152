/* The BertNormalizer: cleaned, spaced, stripped and lower-cased text, in that order. */
#ifndef LINNET_TEXT_BERT_NORMALIZER_H
#define LINNET_TEXT_BERT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct bert_normalizer {
    bool clean_text;           /* drop controls, make every white space a space */
    bool handle_chinese_chars; /* spaces around CJK ideographs */
    bool strip_accents;        /* decompose (NFD) and drop nonspacing marks */
    bool lowercase;
};

/* What bert_normalizer_apply() writes at most for `length` bytes of text. */
size_t bert_normalizer_bound(size_t length);

/* Writes the normalized text to `out`, which has bert_normalizer_bound(length) bytes, and its length to
 * *out_length. `scratch` is touched only where combining marks stand out of order. False when it has no
 * memory. */
bool bert_normalizer_apply(const struct bert_normalizer *normalizer, const char *text, size_t length,
                           char *out, size_t *out_length, struct arena *scratch);

#endif
