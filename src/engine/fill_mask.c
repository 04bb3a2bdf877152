#include "engine/fill_mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/native.h"

static bool is_worse(struct prediction a, struct prediction b)
{
    return a.score != b.score ? a.score < b.score : a.id > b.id;
}

/* The best so far as a heap, the worst of them on top. Puts `item` at the place `at`, which is free. */
static void sift_down(struct prediction *best, size_t count, size_t at, struct prediction item)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_worse(best[child + 1], best[child]))
            child++;
        if (!is_worse(best[child], item))
            break;
        best[at] = best[child];
        at = child;
    }
    best[at] = item;
}

static void sift_up(struct prediction *best, size_t at, struct prediction item)
{
    while (at > 0 && is_worse(item, best[(at - 1) / 2])) {
        best[at] = best[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    best[at] = item;
}

/* The `most` best of the options' targets by their logits, best first. */
static void rank(const struct fill_options *fill, const float *logits, size_t columns,
                 struct prediction *best)
{
    const size_t offered = fill->targets ? fill->target_count : columns, most = fill->top_k;
    size_t count = 0;
    for (size_t i = 0; i < offered; i++) {
        const int32_t id = fill->targets ? fill->targets[i] : (int32_t)i;
        const struct prediction item = {id, logits[id]};
        if (count < most)
            sift_up(best, count++, item);
        else if (is_worse(best[0], item))
            sift_down(best, count, 0, item);
    }
    while (count > 1) {
        const struct prediction worst = best[0], last = best[--count];
        sift_down(best, count, 0, last);
        best[count] = worst;
    }
}

void fill_mask_predict(struct item *item, size_t mask, const float *logits, size_t columns)
{
    const size_t top_k = item->fill->top_k;
    struct prediction *best = item->predictions + mask * top_k;
    float max = logits[0];
    double sum = 0;
    for (size_t i = 1; i < columns; i++)
        max = logits[i] > max ? logits[i] : max;
    for (size_t i = 0; i < columns; i++)
        sum += expf(logits[i] - max);
    rank(item->fill, logits, columns, best);
    for (size_t i = 0; i < top_k; i++)
        best[i].score = (float)(expf(best[i].score - max) / sum);
}

bool fill_mask_find_target(const struct engine *engine, const char *text, size_t length, struct arena *arena,
                           int32_t *id, struct error *err)
{
    const struct tokenizer *tokenizer = native_tokenizer(engine);
    const struct encode_options first = {.truncate = true, .max_tokens = 1, .plain = true};
    struct encoding encoding;
    *id = tokenizer_find(tokenizer, text, length);
    if (*id < 0) {
        if (!tokenizer_encode(tokenizer, text, length, NULL, 0, &first, arena, &encoding, err))
            return false;
        if (encoding.length == 0)
            return error_set(err, ERR_BAD_INPUT, "the target \"%.60s\" has no tokens", text);
        *id = encoding.ids[0];
    }
    return *id < engine->desc.vocab_size ||
           error_set(err, ERR_BAD_INPUT,
                     "the target \"%.60s\" is token %d, the model's vocabulary ends at %d", text, (int)*id,
                     engine->desc.vocab_size - 1);
}

static int compare_ids(const void *left, const void *right)
{
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

size_t fill_mask_unique(int32_t *ids, size_t count)
{
    size_t kept = 0;
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

bool fill_mask_decode(const struct engine *engine, const struct item *item, size_t mask,
                      const struct prediction *prediction, struct arena *arena, struct filling *out,
                      struct error *err)
{
    const struct tokenizer *tokenizer = native_tokenizer(engine);
    const int32_t pad = tokenizer_special_id(tokenizer, SPECIAL_ID_PAD);
    int32_t *ids = arena_alloc(arena, item->length * sizeof *ids);
    size_t count = 0;
    if (!ids)
        return error_set(err, ERR_NO_MEMORY, "no memory for a text of %zu tokens", item->length);
    for (size_t i = 0; i < item->length; i++) {
        const int32_t id = (int)i == item->masks[mask] ? prediction->id : item->ids[i];
        if (id != pad)
            ids[count++] = id;
    }
    return tokenizer_decode(tokenizer, ids, count, item->row_count == 1, arena, &out->sequence,
                            &out->sequence_length, err) &&
           tokenizer_decode(tokenizer, &prediction->id, 1, false, arena, &out->token, &out->token_length,
                            err);
}
