/* The Unigram model: of all ways to spell a word in tokens, the one whose scores have the largest sum.
 *
 * As the package does it: sums in double precision, from the left; of equal sums the one whose last token
 * begins first; a character that no token of its own length spells costs the lowest score less 10; unknown
 * characters in a row become one token, or the tokens of their bytes.
 * A word takes time in proportion to its length x the longest token.
 */
#ifndef LINNET_TEXT_UNIGRAM_H
#define LINNET_TEXT_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "text/text_buffer.h"
#include "text/vocabulary.h"

/* An edge of the trie of all tokens, in an open hash table. A node where a token ends has the number id + 1,
 * the root count + 1, the others what follows: so an edge fits 8 bytes, and speed hangs on the cache. */
struct unigram_edge {
    uint32_t from; /* parent node << 8 | byte; 0: an empty slot */
    uint32_t node;
};
enum { UNIGRAM_MAX_NODES = 1 << 24 };

/* The best way to spell a word up to some place. */
struct unigram_step {
    double score;
    uint32_t start; /* of its last token */
    int32_t id;     /* of that token; -1 where nothing was found yet */
};

struct unigram {
    const struct vocabulary *vocabulary;
    const double *scores; /* by id */
    double unknown_score;
    int32_t unknown_id;
    bool byte_fallback;
    int32_t fallback_ids[256]; /* of "<0x00>" to "<0xFF>"; -1: the vocabulary lacks it */
    struct unigram_edge *edges;
    size_t edge_mask;
    size_t edge_count;
    uint32_t root, last_node;
    struct vocabulary words; /* texts that become one token */
};

/* Prepares the tables once the vocabulary, scores, unknown_id and byte_fallback are there; ids are 0 to count
 * - 1. False: no memory, or the tokens need UNIGRAM_MAX_NODES nodes. */
bool unigram_finish(struct unigram *unigram, struct arena *arena);

/* What one encode needs: zeroed but for `arena`, it is empty. */
struct unigram_scratch {
    struct unigram_step *steps;
    size_t capacity;
    struct arena *arena;
};

/* Appends the ids of word[0..length), of one byte or more. False: no memory. */
bool unigram_encode(const struct unigram *unigram, const char *word, size_t length,
                    struct unigram_scratch *scratch, struct id_buffer *out);

#endif
