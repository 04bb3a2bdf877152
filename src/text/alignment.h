/* Normalizing with an account of where each character came from: what offsets need.
 *
 * The same text as normalizer_apply() makes, character by character and many times slower, for it follows the
 * package's bookkeeping (its NormalizedString) step by step: a character that replaces another has that one's
 * place, one that is added has the place of the character before it, and what a charsmap takes away at the
 * very start is not counted at all.
 */
#ifndef LINNET_TEXT_ALIGNMENT_H
#define LINNET_TEXT_ALIGNMENT_H

#include "text/normalizer.h"

/* A normalized text whose byte i came from the bytes spans[i] of the text as it came. */
struct aligned {
    const char *text;
    size_t length;
    const struct span *spans; /* [length] */
};

/* Normalizes text[0..length), which stands at byte `offset` of the text as it came; all of that has less than
 * 4 GiB. The result lives in `arena`, which gives about 40 bytes a character. False: no memory. */
bool alignment_normalize(const struct normalizer *normalizer, const char *text, size_t length, size_t offset,
                         struct arena *arena, struct aligned *out);

#endif
