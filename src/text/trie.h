/* A set of byte strings that finds the longest one a text begins with, in time linear in that one's length.
 * Built once, then read by any number of threads. Lives in the arena. */
#ifndef LINNET_TEXT_TRIE_H
#define LINNET_TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct trie_node {
    uint32_t child, sibling; /* indices; 0 is none, for the root is nobody's child */
    int32_t value;           /* -1: no string ends here */
    unsigned char byte;
};

struct trie {
    struct trie_node *nodes; /* nodes[0] is the root */
    size_t count, capacity;
    bool starts[256]; /* the bytes that strings begin with */
    struct arena *arena;
};

/* An empty set. False: no memory. */
bool trie_init(struct trie *trie, struct arena *arena);

/* Adds text[0..length), of one byte or more, with a value >= 0. A text that is there already keeps its value.
 * False: no memory. */
bool trie_add(struct trie *trie, const char *text, size_t length, int32_t value);

/* The value of the longest string that text[0..length) begins with, and its length in *matched; or -1. */
int32_t trie_match(const struct trie *trie, const char *text, size_t length, size_t *matched);

static inline bool trie_is_empty(const struct trie *trie)
{
    return trie->count == 1;
}

#endif
