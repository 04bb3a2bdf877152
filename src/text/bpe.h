/* The BPE model: a word begins as its characters (or its bytes), and the pair of neighbours that comes first
 * in the list of merges is merged until no pair is in it.
 *
 * A word of n characters takes n log n time. Words that are one token are found without merging.
 */
#ifndef LINNET_TEXT_BPE_H
#define LINNET_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "text/text_buffer.h"
#include "text/vocabulary.h"

/* A pair of ids and what it becomes. */
struct merge {
    uint64_t pair; /* left << 32 | right; BPE_NO_PAIR: an empty slot */
    uint32_t rank; /* lower is merged first */
    int32_t id;
};
#define BPE_NO_PAIR UINT64_MAX

/* A longer prefix or suffix is refused by the loader; published ones have 4 bytes. */
enum { BPE_MAX_AFFIX = 64 };

struct bpe {
    const struct vocabulary *vocabulary;
    struct merge *merges; /* [merge_mask + 1], a hash table at most half full */
    size_t merge_mask;
    /* Words that become one token, as bytes of text. */
    struct vocabulary words;
    bool byte_level;       /* words begin as bytes: byte_ids has them */
    int32_t byte_ids[256]; /* -1: the vocabulary lacks it */
    bool byte_fallback;    /* a character without a token becomes its bytes' tokens, "<0x41>" */
    int32_t fallback_ids[256];
    int32_t unknown_id;          /* -1: what has no token is dropped */
    bool fuse_unknown;           /* unknown characters in a row are one token */
    bool ignore_merges;          /* a word that is in the vocabulary is that token, whatever the merges say */
    const char *prefix, *suffix; /* of all characters but the first, and of the last one */
    size_t prefix_length, suffix_length; /* 0: none */
};

/* Room for `count` merges. False: no memory. */
bool bpe_init_merges(struct bpe *bpe, size_t count, struct arena *arena);

/* The later of two merges of the same pair counts. */
void bpe_add_merge(struct bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id);

/* The byte that GPT-2 writes this character for, or -1. */
int bpe_character_byte(uint32_t point);

/* Prepares the tables once all fields but byte_ids, fallback_ids and words are there. False: no memory. */
bool bpe_finish(struct bpe *bpe, struct arena *arena);

/* Appends the ids of word[0..length), of one byte or more. Scratch memory, 28 bytes a byte of a word of more
 * than BPE_SHORT characters (of any word where `out` tracks, and 4 more), comes from the arena of `out`.
 * False: no memory. */
enum { BPE_SHORT = 64 };
bool bpe_encode(const struct bpe *bpe, const char *word, size_t length, struct id_buffer *out);

#endif
