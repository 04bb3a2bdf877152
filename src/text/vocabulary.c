#include "text/vocabulary.h"

#include <stdlib.h>

/* A text that is no token passes the filter once in 2 * this many times; 32 KiB for 30,000 tokens. */
enum { FILTER_BITS_PER_SLOT = 4 };

bool vocabulary_init(struct vocabulary *vocabulary, size_t capacity, struct arena *arena)
{
    size_t slots = 16;
    while (slots < capacity * 2)
        slots *= 2;
    size_t filter_bits = slots * FILTER_BITS_PER_SLOT;
    *vocabulary = (struct vocabulary){.slot_mask = slots - 1, .filter_mask = filter_bits - 1, .arena = arena};
    vocabulary->slots = arena_calloc(arena, slots, sizeof *vocabulary->slots);
    vocabulary->filter = arena_calloc(arena, filter_bits / 64, sizeof *vocabulary->filter);
    vocabulary->tokens = arena_alloc(arena, capacity * sizeof *vocabulary->tokens);
    return vocabulary->slots && vocabulary->filter && vocabulary->tokens;
}

/* The slot of `text` if it is there, else the empty slot where it belongs. */
static struct vocabulary_slot *find_slot(const struct vocabulary *vocabulary,
                                         const struct vocabulary_key *key, const char *text)
{
    size_t at = (size_t)vocabulary_hash(key, text) & vocabulary->slot_mask;
    while (vocabulary->slots[at].token && !vocabulary_matches(vocabulary, &vocabulary->slots[at], key, text))
        at = (at + 1) & vocabulary->slot_mask;
    return &vocabulary->slots[at];
}

bool vocabulary_add(struct vocabulary *vocabulary, const char *text, size_t length, int32_t id)
{
    struct vocabulary_key key = vocabulary_key(text, length);
    struct vocabulary_slot *slot = find_slot(vocabulary, &key, text);
    if (slot->token) {
        slot->id = vocabulary->tokens[slot->token - 1].id = id;
        return true;
    }
    char *copy = arena_alloc_aligned(vocabulary->arena, length + 1, 1);
    if (!copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    vocabulary->tokens[vocabulary->count++] = (struct token){copy, (uint32_t)length, id};
    *slot = (struct vocabulary_slot){key, (uint32_t)vocabulary->count, id};
    uint64_t bit = vocabulary_hash(&key, text) >> 32 & vocabulary->filter_mask;
    vocabulary->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    if (length > vocabulary->longest)
        vocabulary->longest = length;
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    const struct token *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

void vocabulary_finish(struct vocabulary *vocabulary)
{
    bool ascending = true;
    for (size_t i = 1; i < vocabulary->count && ascending; i++)
        ascending = vocabulary->tokens[i - 1].id <= vocabulary->tokens[i].id;
    if (ascending)
        return;
    qsort(vocabulary->tokens, vocabulary->count, sizeof *vocabulary->tokens, compare_ids);
    memset(vocabulary->slots, 0, (vocabulary->slot_mask + 1) * sizeof *vocabulary->slots);
    for (size_t i = 0; i < vocabulary->count; i++) {
        const struct token *token = &vocabulary->tokens[i];
        struct vocabulary_key key = vocabulary_key(token->text, token->length);
        *find_slot(vocabulary, &key, token->text) =
            (struct vocabulary_slot){key, (uint32_t)(i + 1), token->id};
    }
}

bool vocabulary_find_shared_id(const struct vocabulary *vocabulary, const struct token **first,
                               const struct token **second)
{
    for (size_t i = 1; i < vocabulary->count; i++) {
        if (vocabulary->tokens[i - 1].id == vocabulary->tokens[i].id) {
            *first = &vocabulary->tokens[i - 1];
            *second = &vocabulary->tokens[i];
            return true;
        }
    }
    return false;
}

const struct token *vocabulary_token(const struct vocabulary *vocabulary, int32_t id)
{
    size_t low = 0, high = vocabulary->count;
    /* Most vocabularies have no gaps. */
    if (id >= 0 && (size_t)id < high && vocabulary->tokens[id].id == id)
        return &vocabulary->tokens[id];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vocabulary->tokens[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vocabulary->count && vocabulary->tokens[low].id == id ? &vocabulary->tokens[low] : NULL;
}
