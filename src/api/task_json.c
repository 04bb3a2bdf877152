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

static bool put_mask(struct buf *out, const struct engine *engine, const struct item *item, size_t mask,
                     struct arena *arena, struct error *err)
{
    const struct prediction *predictions = item->predictions + mask * item->fill->top_k;
    buf_putc(out, '[');
    for (size_t i = 0; i < item->fill->top_k; i++) {
        struct filling filling;
        if (!fill_mask_decode(engine, item, mask, &predictions[i], arena, &filling, err))
            return false;
        buf_puts(out, i ? ",{\"score\":" : "{\"score\":");
        json_put_float(out, predictions[i].score);
        buf_printf(out, ",\"token\":%d,\"token_str\":", (int)predictions[i].id);
        json_put_string(out, filling.token, filling.token_length);
        buf_puts(out, ",\"sequence\":");
        json_put_string(out, filling.sequence, filling.sequence_length);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return true;
}

bool put_fillings(struct buf *out, const struct engine *engine, const struct item *item, struct arena *arena,
                  struct error *err)
{
    if (item->row_count == 1)
        return put_mask(out, engine, item, 0, arena, err);
    buf_putc(out, '[');
    for (size_t mask = 0; mask < item->row_count; mask++) {
        buf_puts(out, mask ? "," : "");
        if (!put_mask(out, engine, item, mask, arena, err))
            return false;
    }
    buf_putc(out, ']');
    return true;
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
