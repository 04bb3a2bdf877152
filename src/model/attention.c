#include "model/attention.h"

#include <math.h>

enum {
    /* Attention rows are dealt out in multiples of this, so that short items are never split: each part of an
     * item transposes the item's keys anew. */
    ROW_GRAIN = 32,
};

struct attention_job {
    struct pass *pass;
    const struct layer_weights *layer;
    const float *turns; /* or NULL */
    int window;         /* 0: none */
    enum precision precision;
    const int *rows;   /* [count + 1]: those of item i are rows[i]..rows[i + 1] */
    const int *places; /* [rows] or NULL */
};

static int head_size_of(const struct pass *pass)
{
    return pass->config->hidden / pass->config->heads;
}

static int item_length(const struct pass *pass, int item)
{
    return pass->batch->offsets[item + 1] - pass->batch->offsets[item];
}

size_t attention_scratch(const struct pass *pass, int longest)
{
    int buckets = pass->weights->buckets ? 2 * pass->config->attention.buckets.span : 0;
    return kern_attention_scratch(longest, head_size_of(pass), buckets);
}

/* --- Rotation */

static void rotate_row(const struct attention_job *job, float *x, int row, int place)
{
    const struct pass *pass = job->pass;
    size_t head_size = (size_t)head_size_of(pass);
    pass->kernels->rotate(x + (size_t)row * (size_t)pass->config->hidden, pass->config->heads, (int)head_size,
                          job->turns + (size_t)place * head_size);
}

/* A part of each item's queries and of its keys. */
static void rotate_part(void *context, int part, int parts)
{
    const struct attention_job *job = context;
    const struct pass *pass = job->pass;
    for (int item = 0; item < pass->batch->count; item++) {
        int first = pass->batch->offsets[item], row = job->rows[item], begin, end;
        team_split(item_length(pass, item), part, parts, &begin, &end);
        for (int place = begin; place < end; place++)
            rotate_row(job, pass->key, first + place, place);
        team_split(job->rows[item + 1] - row, part, parts, &begin, &end);
        for (int i = begin; i < end; i++)
            rotate_row(job, pass->query, row + i, job->places ? job->places[row + i] : i);
    }
}

/* --- Heads */

/* Keys that a row of the item is scored with, or nearly so. */
static int row_cost(const struct attention_job *job, int item)
{
    int length = item_length(job->pass, item), seen = 2 * job->window + 1;
    return job->window && seen < length ? seen : length;
}

/* The row of a head at which the share that begins at cost `share` begins; the head's rows begin at cost
 * `at`. */
static int boundary_row(long long share, long long at, int rows, int cost)
{
    if (share <= at)
        return 0;
    long long row = (share - at) / cost;
    return row >= rows ? rows : (int)(row / ROW_GRAIN * ROW_GRAIN);
}

static void attend_head(const struct attention_job *job, int item, int head, int row_begin, int row_end,
                        float *scratch)
{
    const struct pass *pass = job->pass;
    const struct weights *weights = pass->weights;
    size_t hidden = (size_t)pass->config->hidden, first = (size_t)pass->batch->offsets[item];
    int head_size = head_size_of(pass), farthest = pass->config->max_tokens - 1;
    size_t column = (size_t)head * (size_t)head_size, query = (size_t)job->rows[item] * hidden + column;
    const struct layer_weights *layer = job->layer;
    struct relative_scores relative = {.stride = hidden};
    struct attention a = {
        .q = pass->query + query,
        .k = pass->key + first * hidden + column,
        .v = pass->value + first * hidden + column,
        .qkv_stride = hidden,
        .out = pass->context.x + query,
        .out_stride = hidden,
        .length = item_length(pass, item),
        .head_size = head_size,
        .scale = 1.0f / sqrtf((float)(head_size * pass->config->attention.score_terms)),
        .positions = job->places ? job->places + job->rows[item] : NULL,
        .window = job->window,
    };
    if (weights->distance_bias)
        a.bias = weights->distance_bias + (size_t)head * (2 * (size_t)farthest + 1) + farthest;
    if (weights->buckets) {
        relative.bucket = weights->buckets + farthest;
        relative.keys = layer->relative_keys ? layer->relative_keys + column : NULL;
        relative.queries = layer->relative_queries ? layer->relative_queries + column : NULL;
        a.relative = &relative;
    }
    pass->kernels->attention[job->precision](&a, row_begin, row_end, scratch);
}

/* Heads are dealt out by cost in order; a long item's head may be cut between parts. */
static void attention_part(void *context, int part, int parts)
{
    const struct attention_job *job = context;
    const struct batch *batch = job->pass->batch;
    int heads = job->pass->config->heads;
    float *scratch = job->pass->attention_scratch + (size_t)part * job->pass->attention_stride;
    long long total = 0, at = 0;
    for (int item = 0; item < batch->count; item++)
        total += (long long)heads * row_cost(job, item) * (job->rows[item + 1] - job->rows[item]);
    long long begin = total * part / parts, end = total * (part + 1) / parts;
    for (int item = 0; item < batch->count && at < end; item++) {
        int cost = row_cost(job, item), rows = job->rows[item + 1] - job->rows[item];
        for (int head = 0; head < heads; head++, at += (long long)rows * cost) {
            int row_begin = boundary_row(begin, at, rows, cost), row_end = boundary_row(end, at, rows, cost);
            if (row_begin < row_end)
                attend_head(job, item, head, row_begin, row_end, scratch);
        }
    }
}

enum precision attention_precision(const struct weights *weights, const struct kernels *kernels)
{
    bool rounded = weights->precision != PRECISION_FP32 && !weights->buckets;
    return rounded && kernels->attention[PRECISION_BF16] ? PRECISION_BF16 : PRECISION_FP32;
}

void attention_run(struct pass *pass, const struct layer_weights *layer, int walked, const int *offsets,
                   const int *places)
{
    const struct attention_config *config = &pass->config->attention;
    bool local = config->local && config->local[walked];
    struct attention_job job = {
        .pass = pass,
        .layer = layer,
        .turns = local ? pass->weights->local_turns : pass->weights->turns,
        .window = local ? config->window : 0,
        .precision = attention_precision(pass->weights, pass->kernels),
        .rows = offsets,
        .places = places,
    };
    if (job.turns)
        encoder_stage(pass, STAGE_ROWS, rotate_part, &job);
    encoder_stage(pass, STAGE_ATTENTION, attention_part, &job);
    int terms = 2 + (layer->relative_keys != NULL) + (layer->relative_queries != NULL);
    for (int item = 0; pass->times && item < pass->batch->count; item++)
        encoder_count(pass, STAGE_ATTENTION, terms * (offsets[item + 1] - offsets[item]),
                      row_cost(&job, item), pass->config->hidden);
}
