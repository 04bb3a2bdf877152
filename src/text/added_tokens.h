/* Added tokens: texts that are found before words are looked for, each with an id of its own.
 *
 * Those with `normalized` off are looked for in the text as it came; those with it on, in normalized form, in
 * what the normalizer makes of the text between the first. Of overlapping matches the leftmost counts, then
 * the longest; of tokens that normalize alike the first (the package has no order there). Built once (init,
 * add..., finish), then read by any number of threads. Lives in the arena.
 */
#ifndef LINNET_TEXT_ADDED_TOKENS_H
#define LINNET_TEXT_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "text/normalizer.h"
#include "text/tokenizer.h"
#include "text/trie.h"
#include "text/vocabulary.h"

struct added_token {
    const char *text;
    size_t length;
    int32_t id;
    bool single_word; /* matches only where no word character stands beside it */
    bool lstrip;      /* takes the white space on its left */
    bool rstrip;      /* takes the white space on its right */
    bool normalized;
    bool special; /* changes no ids: only what its default for `normalized` was */
};

/* A token by its id: rising, of equal ids the token that came first is first. */
struct added_id {
    int32_t id, index;
};

struct added_tokens {
    struct added_token *tokens; /* [count], in the order in which they came */
    size_t count;
    struct added_id *by_id;  /* [count] after added_tokens_finish(), NULL before */
    int32_t highest_id;      /* -1: none */
    struct vocabulary index; /* text -> index into tokens */
    const struct vocabulary *model;
    struct trie raw, in_normalized; /* values are indices into tokens */
    struct arena *arena;
};

/* Room for `capacity` calls of added_tokens_add(); `model` is the model's finished vocabulary. False: no
 * memory. */
bool added_tokens_init(struct added_tokens *added, size_t capacity, const struct vocabulary *model,
                       struct arena *arena);

/* Adds a token, or changes the flags of one that is there. token->id is not read: a text that the model knows
 * keeps the model's id, any other gets the next free one, as the `tokenizers` package numbers them; an empty
 * text is ignored. On failure false: ERR_NO_MEMORY, or ERR_BAD_MODEL where ids run out. */
bool added_tokens_add(struct added_tokens *added, const struct added_token *token, struct error *err);

/* Makes the tokens findable. On failure false: ERR_NO_MEMORY, or ERR_UNSUPPORTED_MODEL for a normalized token
 * of which the normalizer leaves nothing. */
bool added_tokens_finish(struct added_tokens *added, const struct normalizer *normalizer, struct error *err);

/* The token of this text, or NULL. */
const struct added_token *added_tokens_find(const struct added_tokens *added, const char *text,
                                            size_t length);

/* The text of the token with this id, of several the first; or NULL and 0. */
struct token_text added_tokens_text(const struct added_tokens *added, int32_t id);

/* A walk over a text and the tokens in it. */
struct splitter {
    const struct added_tokens *added;
    const struct trie *trie;
    const char *text, *end;
    const char *at;      /* where the search goes on */
    const char *covered; /* what stands before it was handed out */
    int32_t pending;     /* a token found behind the text that was handed out last; -1: none */
    const char *pending_text;
};

/* A stretch of plain text, or a token with the white space it takes. */
struct segment {
    const char *text;
    size_t length;
    int32_t id; /* -1: plain text */
};

/* Splits text[0..length) by one of the two tries of `added`. */
void splitter_start(struct splitter *splitter, const struct added_tokens *added, const struct trie *trie,
                    const char *text, size_t length);

/* The next segment, in order; false where the text ends. */
bool splitter_next(struct splitter *splitter, struct segment *segment);

#endif
