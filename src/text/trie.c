#include "text/trie.h"

static uint32_t find_child(const struct trie *trie, uint32_t node, unsigned char byte)
{
    uint32_t child = trie->nodes[node].child;
    while (child && trie->nodes[child].byte != byte)
        child = trie->nodes[child].sibling;
    return child;
}

/* Returns the new child, or 0 when there is no memory. */
static uint32_t add_child(struct trie *trie, uint32_t node, unsigned char byte)
{
    if (trie->count == trie->capacity) {
        size_t size = trie->capacity * sizeof *trie->nodes;
        struct trie_node *nodes = arena_grow(trie->arena, trie->nodes, size, size * 2);
        if (!nodes || trie->capacity > UINT32_MAX / 2)
            return 0;
        trie->nodes = nodes;
        trie->capacity *= 2;
    }
    uint32_t child = (uint32_t)trie->count++;
    trie->nodes[child] = (struct trie_node){.sibling = trie->nodes[node].child, .value = -1, .byte = byte};
    trie->nodes[node].child = child;
    return child;
}

bool trie_init(struct trie *trie, struct arena *arena)
{
    *trie = (struct trie){.count = 1, .capacity = 64, .arena = arena};
    trie->nodes = arena_alloc(arena, trie->capacity * sizeof *trie->nodes);
    if (!trie->nodes)
        return false;
    trie->nodes[0] = (struct trie_node){.value = -1};
    return true;
}

bool trie_add(struct trie *trie, const char *text, size_t length, int32_t value)
{
    uint32_t node = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t child = find_child(trie, node, byte);
        if (!child)
            child = add_child(trie, node, byte);
        if (!child)
            return false;
        node = child;
    }
    if (trie->nodes[node].value < 0)
        trie->nodes[node].value = value;
    trie->starts[(unsigned char)text[0]] = true;
    return true;
}

int32_t trie_match(const struct trie *trie, const char *text, size_t length, size_t *matched)
{
    int32_t value = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < length; i++) {
        node = find_child(trie, node, (unsigned char)text[i]);
        if (!node)
            break;
        if (trie->nodes[node].value >= 0) {
            value = trie->nodes[node].value;
            *matched = i + 1;
        }
    }
    return value;
}
