/* A set of tokens with ids, found by their bytes or by their id.
 *
 * Built once (init, add..., finish), then read by any number of threads. Its memory is the arena's and
 * follows the number and length of the tokens, never the size of the ids.
 */
#ifndef LINNET_TEXT_VOCABULARY_H
#define LINNET_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

struct token {
    const char *text; /* NUL-terminated */
    uint32_t length;
    int32_t id;
};

/* A text's length and its first and last 8 bytes: up to VOCABULARY_KEY_BYTES that is all of it. */
struct vocabulary_key {
    uint64_t first, last;
    uint32_t length;
};
enum { VOCABULARY_KEY_BYTES = 16 };

struct vocabulary_slot {
    struct vocabulary_key key;
    uint32_t token; /* index into tokens, plus 1; 0 is an empty slot */
    int32_t id;
};

struct vocabulary {
    struct token *tokens; /* [count], by id after vocabulary_finish() */
    size_t count;
    struct vocabulary_slot *slots; /* [slot_mask + 1], at most half full */
    size_t slot_mask;
    uint64_t *filter; /* a bit is set for each token's hash: most texts that are no token end here */
    uint64_t filter_mask;
    size_t longest; /* bytes of the longest token */
    struct arena *arena;
};

/* The largest id: a bound against damaged files, far above the largest vocabulary published. */
enum { VOCABULARY_MAX_ID = (1 << 24) - 1 };

/* Room for `capacity` tokens (more may not be added). False: no memory. */
bool vocabulary_init(struct vocabulary *vocabulary, size_t capacity, struct arena *arena);

/* Adds text[0..length), copied, with an id of 0..VOCABULARY_MAX_ID. A text that is there already gets the new
 * id. False: no memory. */
bool vocabulary_add(struct vocabulary *vocabulary, const char *text, size_t length, int32_t id);

/* Sorts the tokens by id; nothing may be added afterwards. */
void vocabulary_finish(struct vocabulary *vocabulary);

/* Two tokens that have the same id, or false where there are none. After vocabulary_finish(). */
bool vocabulary_find_shared_id(const struct vocabulary *vocabulary, const struct token **first,
                               const struct token **second);

/* The token with this id, or NULL. After vocabulary_finish(). */
const struct token *vocabulary_token(const struct vocabulary *vocabulary, int32_t id);

static inline struct vocabulary_key vocabulary_key(const char *text, size_t length)
{
    struct vocabulary_key key = {0, 0, (uint32_t)length};
    if (length >= 8) {
        memcpy(&key.first, text, 8);
        memcpy(&key.last, text + length - 8, 8);
    } else if (length >= 4) {
        uint32_t low, high;
        memcpy(&low, text, 4);
        memcpy(&high, text + length - 4, 4);
        key.first = (uint64_t)high << 32 | low;
    } else if (length > 0) {
        key.first = (unsigned char)text[0] | (uint64_t)(unsigned char)text[length / 2] << 8 |
                    (uint64_t)(unsigned char)text[length - 1] << 16;
    }
    return key;
}

static inline uint64_t vocabulary_hash(const struct vocabulary_key *key, const char *text)
{
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / the golden ratio */
    uint64_t hash = (key->first ^ key->length) * odd, middle;
    hash ^= hash >> 32;
    for (size_t at = 8; key->length > VOCABULARY_KEY_BYTES && at + 8 < key->length; at += 8) {
        memcpy(&middle, text + at, 8);
        hash = (hash ^ middle) * odd;
        hash ^= hash >> 32;
    }
    hash = (hash ^ key->last) * odd;
    return hash ^ hash >> 29;
}

/* Whether a slot that is not empty holds the text. */
static inline bool vocabulary_matches(const struct vocabulary *vocabulary, const struct vocabulary_slot *slot,
                                      const struct vocabulary_key *key, const char *text)
{
    return slot->key.first == key->first && slot->key.last == key->last && slot->key.length == key->length &&
           (key->length <= VOCABULARY_KEY_BYTES ||
            memcmp(vocabulary->tokens[slot->token - 1].text, text, key->length) == 0);
}

/* The id of text[0..length), or -1. */
static inline int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *text, size_t length)
{
    struct vocabulary_key key = vocabulary_key(text, length);
    uint64_t hash = vocabulary_hash(&key, text);
    uint64_t bit = hash >> 32 & vocabulary->filter_mask;
    if (!(vocabulary->filter[bit / 64] >> bit % 64 & 1))
        return -1;
    for (size_t at = (size_t)hash & vocabulary->slot_mask;; at = (at + 1) & vocabulary->slot_mask) {
        const struct vocabulary_slot *slot = &vocabulary->slots[at];
        if (slot->token == 0)
            return -1;
        if (vocabulary_matches(vocabulary, slot, &key, text))
            return slot->id;
    }
}

#endif
