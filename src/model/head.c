#include "model/head.h"

#include <string.h>

#include "model/family.h"
#include "model/pooling.h"
#include "model/splade.h"

int head_columns(const struct model_config *config)
{
    return config->sentence ? config->sentence->dimensions : head_token_columns(config);
}

int head_token_columns(const struct model_config *config)
{
    const struct head *head = config->head;
    if (head->kind == HEAD_MASKED_LM)
        return config->vocab_size;
    return head->kind == HEAD_NONE ? config->hidden : config->label_count;
}

bool head_select(const struct model_config *config, const struct batch *batch, struct arena *arena,
                 struct selection *out, struct error *err)
{
    if (batch->row_offsets) {
        *out = (struct selection){batch->tokens, batch->row_offsets};
        return true;
    }
    if (config->sentence && config->sentence->is_sparse) {
        *out = (struct selection){NULL, batch->offsets};
        return true;
    }
    if (config->sentence)
        return pooling_select(config->sentence, batch, arena, out, err);
    if (config->pools_mean) {
        *out = (struct selection){NULL, batch->offsets};
        return true;
    }
    /* Pooled by the first token: [CLS]. */
    int *offsets = arena_alloc(arena, ((size_t)batch->count + 1) * sizeof *offsets);
    if (!offsets)
        return error_set(err, ERR_NO_MEMORY, "no memory for a batch of %d texts", batch->count);
    for (int i = 0; i <= batch->count; i++)
        offsets[i] = i;
    *out = (struct selection){batch->offsets, offsets};
    return true;
}

/* The logits of state[m] in strips. */
static bool hand_over(struct pass *pass, const struct rows *state, int m, struct arena *arena,
                      struct error *err)
{
    enum { STRIP_BYTES = 16 << 20, LEAST_ROWS = 16 };
    const struct batch *batch = pass->batch;
    const size_t columns = (size_t)head_token_columns(pass->config);
    size_t most = STRIP_BYTES / (columns * sizeof(float));
    if (most < LEAST_ROWS)
        most = LEAST_ROWS;
    if (most > (size_t)m)
        most = (size_t)m;
    float *strip = arena_alloc(arena, most * columns * sizeof *strip);
    if (!strip)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu rows of %zu logits", most, columns);
    for (int row = 0, count; row < m; row += count) {
        count = m - row < (int)most ? m - row : (int)most;
        const struct rows part = {.x = state->x + (size_t)row * (size_t)state->k, .k = state->k};
        encoder_linear(pass, strip, &part, count, &pass->weights->head.output, ACT_NONE, NULL);
        batch->take(batch->context, row, count, strip);
    }
    return true;
}

bool head_run(struct pass *pass, const struct selection *selection, const struct rows *states,
              struct arena *arena, float *rows, struct error *err)
{
    const struct model_config *config = pass->config;
    const struct head *head = config->head;
    const struct head_weights *weights = &pass->weights->head;
    const struct batch *batch = pass->batch;
    const bool embeds = config->sentence && !batch->row_offsets;
    if (embeds && !config->sentence->is_sparse)
        return pooling_run(pass, selection, states, arena, rows, err);
    int m = selection->offsets[batch->count];
    int width = head->kind == HEAD_MASKED_LM ? config->embedding : config->hidden;
    struct rows state = {.x = states->x, .k = config->hidden};
    /* query, key and value are free after the last layer. */
    float *dense = pass->query, *normal = pass->key;
    if (width > config->hidden) {
        dense = arena_alloc(arena, (size_t)m * (size_t)width * sizeof *dense);
        normal = arena_alloc(arena, (size_t)m * (size_t)width * sizeof *normal);
        if (!dense || !normal)
            return error_set(err, ERR_NO_MEMORY, "no memory for a batch of %d texts", batch->count);
    }
    if (config->pools_mean && !batch->row_offsets) {
        pooling_mean(pass, states, pass->value);
        state.x = pass->value;
        m = batch->count;
    }
    if (head->dense) {
        encoder_linear(pass, dense, &state, m, &weights->dense, config->head_activation, NULL);
        state = (struct rows){.x = dense, .k = width};
    }
    if (head->norm) {
        const struct rows normalised = {.x = normal, .k = width};
        encoder_normalise(pass, &normalised, state.x, m, &weights->norm);
        state.x = normal;
    }
    if (embeds)
        return splade_run(pass, &state, arena, rows, err);
    if (batch->take)
        return hand_over(pass, &state, m, arena, err);
    if (head->kind == HEAD_NONE)
        memcpy(rows, state.x, (size_t)m * (size_t)config->hidden * sizeof *rows);
    else
        encoder_linear(pass, rows, &state, m, &weights->output, ACT_NONE, NULL);
    return true;
}
