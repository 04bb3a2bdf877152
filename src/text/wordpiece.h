/* The WordPiece model: a word becomes the longest token that begins it, then the longest that continues it,
 * and so on; a word that cannot be spelled so, or has too many characters, becomes the unknown token. */
#ifndef LINNET_TEXT_WORDPIECE_H
#define LINNET_TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "text/text_buffer.h"
#include "text/vocabulary.h"

struct wordpiece {
    const struct vocabulary *vocabulary;
    struct vocabulary continuing; /* the tokens that begin with the prefix ("##"), without it */
    size_t prefix_length;
    int32_t unknown_id;
    size_t max_characters; /* a longer word is unknown from the start */
};

/* Makes `continuing` of the tokens of `vocabulary`, which is finished. False: no memory. */
bool wordpiece_set_prefix(struct wordpiece *model, const char *prefix, size_t prefix_length,
                          struct arena *arena);

/* Writes the ids of word[0..length), at least one and at most `length` (a word has one byte or more), and
 * returns their number. */
size_t wordpiece_encode(const struct wordpiece *model, const char *word, size_t length, int32_t *ids);

/* Fills the spans of the `count` tokens that wordpiece_encode() made of a word of `length` bytes. */
void wordpiece_spans(const struct wordpiece *model, size_t length, const int32_t *ids, size_t count,
                     struct origin *origins);

#endif
