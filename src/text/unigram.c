#include "text/unigram.h"

#include <stdio.h>

/* sentencepiece's kUnkPenalty */
static const double UNKNOWN_PENALTY = 10.0;

enum { UNREACHED = -1 };

static inline size_t edge_slot(const struct unigram *unigram, uint32_t from)
{
    /* 2^32 / the golden ratio */
    return (size_t)((uint64_t)(from * UINT32_C(0x9E3779B1)) * (unigram->edge_mask + 1) >> 32);
}

/* The slot of the edge if it is there, else the empty slot where it belongs. */
static inline struct unigram_edge *find_edge(const struct unigram *unigram, uint32_t from)
{
    size_t at = edge_slot(unigram, from);
    while (unigram->edges[at].from != from && unigram->edges[at].from)
        at = (at + 1) & unigram->edge_mask;
    return &unigram->edges[at];
}

static bool grow_edges(struct unigram *unigram, struct arena *arena)
{
    struct unigram_edge *old = unigram->edges;
    size_t slots = unigram->edge_mask + 1;
    unigram->edges = arena_calloc(arena, slots * 2, sizeof *unigram->edges);
    if (!unigram->edges)
        return false;
    unigram->edge_mask = slots * 2 - 1;
    for (size_t i = 0; i < slots; i++)
        if (old[i].from)
            *find_edge(unigram, old[i].from) = old[i];
    return true;
}

static bool add_token(struct unigram *unigram, const struct token *token, struct arena *arena)
{
    uint32_t node = unigram->root;
    for (uint32_t i = 0; i < token->length; i++) {
        uint32_t from = node << 8 | (unsigned char)token->text[i];
        struct unigram_edge *edge = find_edge(unigram, from);
        if (!edge->from) {
            if (unigram->edge_count * 2 > unigram->edge_mask) {
                if (!grow_edges(unigram, arena))
                    return false;
                edge = find_edge(unigram, from);
            }
            int32_t id = vocabulary_find(unigram->vocabulary, token->text, i + 1);
            if (id < 0 && unigram->last_node + 1 == UNIGRAM_MAX_NODES)
                return false;
            *edge = (struct unigram_edge){from, id < 0 ? ++unigram->last_node : (uint32_t)id + 1};
            unigram->edge_count++;
        }
        node = edge->node;
    }
    return true;
}

/* The texts that become one token: most words of ordinary text. */
static bool find_words(struct unigram *unigram, struct arena *arena)
{
    const struct vocabulary *vocabulary = unigram->vocabulary;
    struct arena scratch;
    bool fits = vocabulary_init(&unigram->words, vocabulary->count, arena);
    arena_init(&scratch, 1 << 16, SIZE_MAX);
    for (size_t i = 0; i < vocabulary->count && fits; i++) {
        const struct token *token = &vocabulary->tokens[i];
        struct unigram_scratch steps = {.arena = &scratch};
        struct id_buffer ids = {.arena = &scratch};
        fits = token->length == 0 || unigram_encode(unigram, token->text, token->length, &steps, &ids);
        if (fits && ids.count == 1 && ids.ids[0] == token->id)
            fits = vocabulary_add(&unigram->words, token->text, token->length, token->id);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return fits;
}

bool unigram_finish(struct unigram *unigram, struct arena *arena)
{
    const struct vocabulary *vocabulary = unigram->vocabulary;
    unigram->edge_mask = 255;
    unigram->edges = arena_calloc(arena, 256, sizeof *unigram->edges);
    unigram->root = unigram->last_node = (uint32_t)vocabulary->count + 1;
    if (!unigram->edges || unigram->root >= UNIGRAM_MAX_NODES)
        return false;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[16];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        unigram->fallback_ids[byte] = vocabulary_find(vocabulary, text, 6);
    }
    double lowest = unigram->scores[0];
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (!add_token(unigram, &vocabulary->tokens[i], arena))
            return false;
        if (unigram->scores[i] < lowest)
            lowest = unigram->scores[i];
    }
    unigram->unknown_score = lowest - UNKNOWN_PENALTY;
    return find_words(unigram, arena);
}

static size_t character_length(unsigned char lead)
{
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static inline void offer(struct unigram_step *step, double score, size_t start, int32_t id)
{
    if (step->id == UNREACHED || score > step->score)
        *step = (struct unigram_step){score, (uint32_t)start, id};
}

/* Fills steps[1..length]. */
static void search(const struct unigram *unigram, const char *word, size_t length, struct unigram_step *steps)
{
    steps[0] = (struct unigram_step){0, 0, 0};
    for (size_t i = 1; i <= length; i++)
        steps[i].id = UNREACHED;
    for (size_t start = 0; start < length;) {
        size_t character = character_length((unsigned char)word[start]);
        if (character > length - start)
            character = length - start;
        bool has_single = false;
        uint32_t node = unigram->root;
        for (size_t at = start; at < length; at++) {
            const struct unigram_edge *edge = find_edge(unigram, node << 8 | (unsigned char)word[at]);
            if (!edge->from)
                break;
            node = edge->node;
            if (node >= unigram->root)
                continue;
            offer(&steps[at + 1], steps[start].score + unigram->scores[node - 1], start, (int32_t)node - 1);
            has_single = has_single || at + 1 == start + character;
        }
        if (!has_single)
            offer(&steps[start + character], steps[start].score + unigram->unknown_score, start,
                  unigram->unknown_id);
        start += character;
    }
}

/* Appends, last byte first, what an unknown stretch becomes. */
static bool add_unknown_backwards(const struct unigram *unigram, const char *word, size_t start, size_t end,
                                  struct id_buffer *out)
{
    const char *text = word + start;
    const size_t length = end - start;
    int32_t id = vocabulary_find(unigram->vocabulary, text, length);
    bool falls_back = id < 0 && unigram->byte_fallback;
    for (size_t i = 0; i < length && falls_back; i++)
        falls_back = unigram->fallback_ids[(unsigned char)text[i]] >= 0;
    if (!falls_back)
        return ids_add_from(out, id >= 0 ? id : unigram->unknown_id, start, end);
    for (size_t i = length; i > 0; i--)
        if (!ids_add_from(out, unigram->fallback_ids[(unsigned char)text[i - 1]], start, end))
            return false;
    return true;
}

/* Walks the best way from its end, then turns the ids round. */
static bool read_back(const struct unigram *unigram, const char *word, size_t length,
                      const struct unigram_step *steps, struct id_buffer *out)
{
    size_t first = out->count;
    for (size_t end = length; end > 0;) {
        size_t start = steps[end].start;
        bool fits;
        if (steps[end].id == unigram->unknown_id) {
            while (start > 0 && steps[start].id == unigram->unknown_id)
                start = steps[start].start;
            fits = add_unknown_backwards(unigram, word, start, end, out);
        } else {
            fits = ids_add_from(out, steps[end].id, start, end);
        }
        if (!fits)
            return false;
        end = start;
    }
    for (size_t low = first, high = out->count; low + 1 < high; low++, high--) {
        int32_t id = out->ids[low];
        out->ids[low] = out->ids[high - 1];
        out->ids[high - 1] = id;
        if (out->tracks) {
            struct origin origin = out->origins[low];
            out->origins[low] = out->origins[high - 1];
            out->origins[high - 1] = origin;
        }
    }
    return true;
}

bool unigram_encode(const struct unigram *unigram, const char *word, size_t length,
                    struct unigram_scratch *scratch, struct id_buffer *out)
{
    if (length <= unigram->words.longest) {
        int32_t id = vocabulary_find(&unigram->words, word, length);
        if (id >= 0)
            return ids_add_from(out, id, 0, length);
    }
    if (length >= scratch->capacity) {
        size_t capacity = length + length / 2 + 64;
        if (length > UINT32_MAX / 2)
            return false;
        scratch->steps = arena_alloc(scratch->arena, capacity * sizeof *scratch->steps);
        if (!scratch->steps)
            return false;
        scratch->capacity = capacity;
    }
    search(unigram, word, length, scratch->steps);
    return read_back(unigram, word, length, scratch->steps, out);
}
