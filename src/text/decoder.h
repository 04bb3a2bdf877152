/* Decoders: tokens back to text, as the package's decoders and transformers' clean-up do it. Built once, then
 * read by any number of threads. */
#ifndef LINNET_TEXT_DECODER_H
#define LINNET_TEXT_DECODER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "text/pattern.h"
#include "text/text_buffer.h"
#include "text/tokenizer.h"

enum decoder_kind {
    DECODER_WORDPIECE,
    DECODER_BYTE_LEVEL,
    DECODER_METASPACE,
    DECODER_BPE,           /* a suffix ends words */
    DECODER_BYTE_FALLBACK, /* "<0x41>" is a byte */
    DECODER_FUSE,          /* all tokens become one */
    DECODER_STRIP,
    DECODER_REPLACE,
};

enum {
    /* A longer one is refused by the loader; published ones have 4 bytes. */
    DECODER_MAX_AFFIX = 16,
    DECODER_MAX_STEPS = 8, /* published ones have 4 */
};

/* Tokens to tokens. */
struct decoder_step {
    enum decoder_kind kind;
    /* WordPiece: what a continuing token begins with; Metaspace: what stands for a space; BPE: the suffix;
     * Strip: the character; Replace: what comes in place of the pattern. */
    const char *affix;
    size_t affix_length;
    bool cleans;            /* WordPiece: takes spaces from punctuation and contractions, token by token */
    bool drops_leading;     /* Metaspace: spaces of the first token */
    size_t start, stop;     /* Strip: the most characters that each end of a token loses */
    struct pattern pattern; /* Replace */
};

struct decoder {
    const char *unsupported; /* the type that nothing can be decoded for, or NULL */
    size_t count;            /* 0: tokens with spaces between */
    struct decoder_step steps[DECODER_MAX_STEPS];
};

/* Appends the text of the tokens. False: no memory. */
bool decoder_apply(const struct decoder *decoder, const struct token_text tokens[], size_t count,
                   struct text_buffer *out);

/* transformers' clean_up_tokenization() of text[0..*length), in place: takes spaces from punctuation and
 * contractions. */
void decoder_clean_up(char *text, size_t *length);

#endif
