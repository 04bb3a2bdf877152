#include "api/task_json.h"

#include <string.h>

#include "base/json.h"
#include "engine/zero_shot.h"

static void put_entity(struct buf *out, const struct entity *entity, bool grouped)
{
    buf_puts(out, grouped ? "{\"entity_group\":" : "{\"entity\":");
    json_put_string(out, entity->label, strlen(entity->label));
    buf_puts(out, ",\"score\":");
    json_put_float(out, entity->score);
    if (!grouped)
        buf_printf(out, ",\"index\":%zu", entity->index);
    buf_puts(out, ",\"word\":");
    json_put_string(out, entity->word, entity->word_length);
    buf_printf(out, ",\"start\":%u,\"end\":%u}", entity->start, entity->end);
}

bool put_entities(struct buf *out, const struct engine *engine, const struct input *input,
                  const struct item *item, const struct entity_options *options, struct arena *arena,
                  struct error *err)
{
    struct entity *entities;
    size_t count;
    if (!token_classification_entities(engine, input->text, input->text_length, item, options, arena,
                                       &entities, &count, err))
        return false;
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? "," : "");
        put_entity(out, &entities[i], options->aggregation != AGGREGATE_NONE);
    }
    buf_putc(out, ']');
    return true;
}

/* Predictions on their way into an answer. */
struct writing {
    struct buf *out;
    const struct engine *engine;
    const struct item *item;
    const atomic_bool *unwanted; /* or NULL */
    struct arena scratch;        /* emptied for each of them, whose sequence is the whole text again */
};

static bool goes_on(const struct writing *writing)
{
    return buf_ok(writing->out) && !(writing->unwanted && atomic_load(writing->unwanted));
}

static bool put_prediction(struct writing *writing, size_t mask, const struct prediction *prediction,
                           struct error *err)
{
    struct buf *out = writing->out;
    struct filling filling;
    arena_reset(&writing->scratch);
    if (!fill_mask_decode(writing->engine, writing->item, mask, prediction, &writing->scratch, &filling, err))
        return false;
    buf_puts(out, "{\"score\":");
    json_put_float(out, prediction->score);
    buf_printf(out, ",\"token\":%d,\"token_str\":", (int)prediction->id);
    json_put_string(out, filling.token, filling.token_length);
    buf_puts(out, ",\"sequence\":");
    json_put_string(out, filling.sequence, filling.sequence_length);
    buf_putc(out, '}');
    return true;
}

static bool put_mask(struct writing *writing, size_t mask, struct error *err)
{
    const size_t count = writing->item->fill->top_k;
    const struct prediction *predictions = writing->item->predictions + mask * count;
    buf_putc(writing->out, '[');
    for (size_t i = 0; i < count && goes_on(writing); i++) {
        buf_puts(writing->out, i ? "," : "");
        if (!put_prediction(writing, mask, &predictions[i], err))
            return false;
    }
    buf_putc(writing->out, ']');
    return true;
}

static bool put_masks(struct writing *writing, struct error *err)
{
    if (writing->item->row_count == 1)
        return put_mask(writing, 0, err);
    buf_putc(writing->out, '[');
    for (size_t mask = 0; mask < writing->item->row_count && goes_on(writing); mask++) {
        buf_puts(writing->out, mask ? "," : "");
        if (!put_mask(writing, mask, err))
            return false;
    }
    buf_putc(writing->out, ']');
    return true;
}

bool put_fillings(struct buf *out, const struct engine *engine, const struct item *item,
                  const atomic_bool *unwanted, struct error *err)
{
    struct writing writing = {.out = out, .engine = engine, .item = item, .unwanted = unwanted};
    arena_init(&writing.scratch, SIZE_MAX, SIZE_MAX);
    bool put = put_masks(&writing, err);
    arena_free(&writing.scratch);
    return put;
}

bool put_candidates(struct buf *out, const struct engine *engine, const struct input *input,
                    const struct item items[], const struct candidates *candidates, struct arena *arena,
                    struct error *err)
{
    const size_t count = candidates->count;
    const float **logits = arena_alloc(arena, count * sizeof *logits);
    float *scores = arena_alloc(arena, count * sizeof *scores);
    int *order = arena_alloc(arena, count * sizeof *order);
    if (!logits || !scores || !order)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu labels", count);
    for (size_t i = 0; i < count; i++)
        logits[i] = items[i].rows;
    zero_shot_rank(&engine->desc, logits, count, candidates->multi, scores, order);
    buf_puts(out, "{\"sequence\":");
    json_put_string(out, input->text, input->text_length);
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? "," : ",\"labels\":[");
        json_put_string(out, candidates->labels[order[i]], candidates->lengths[order[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? "," : "],\"scores\":[");
        json_put_float(out, scores[order[i]]);
    }
    buf_puts(out, "]}");
    return true;
}

void put_sparse(struct buf *out, const struct sparse_value values[], size_t count)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s{\"index\":%d,\"value\":", i ? "," : "", (int)values[i].index);
        json_put_float(out, values[i].value);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}
