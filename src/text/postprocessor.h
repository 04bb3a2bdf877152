/* The post-processor: truncation, and special tokens around one sequence or two, after a template. */
#ifndef LINNET_TEXT_POSTPROCESSOR_H
#define LINNET_TEXT_POSTPROCESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "text/text_buffer.h"
#include "text/tokenizer.h"

enum piece_kind { PIECE_FIRST, PIECE_SECOND, PIECE_TOKEN };

struct piece {
    enum piece_kind kind; /* the first sequence, the second, or one special token */
    int32_t id;           /* of PIECE_TOKEN */
    uint8_t type_id;
};

struct template
{
    struct piece *pieces; /* [count] */
    size_t count;
    size_t special_count; /* how many of them are PIECE_TOKEN */
};

struct postprocessor {
    struct template single, pair;
    bool truncate_left; /* cut from the beginning of a sequence, not from its end */
    bool trims;         /* places are without the white space at a token's ends ... */
    bool keeps_prefix;  /* ... but for the one space of a sequence's first token, which was added */
};

struct sequence {
    const int32_t *ids;
    const struct origin *origins; /* in characters; NULL: no places */
    size_t length;
};

/* Cuts `first` and, where it is not NULL, `second` as the options say, and puts both into the template.
 * On failure false: as tokenizer_encode(). */
bool postprocessor_apply(const struct postprocessor *postprocessor, struct sequence first,
                         const struct sequence *second, const struct encode_options *options,
                         struct arena *arena, struct encoding *out, struct error *err);

#endif
