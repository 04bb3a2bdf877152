#include "model/encoder.h"

#include <math.h>
#include <string.h>

enum {
    /* Attention rows are dealt out in multiples of this, so that short items are never split: each part of an
     * item transposes the item's keys anew. */
    ROW_GRAIN = 32,
    FLOATS_PER_LINE = 16,
};

static float *allocate(struct arena *arena, size_t rows, size_t columns)
{
    return arena_alloc_aligned(arena, rows * columns * sizeof(float), 64);
}

static int longest_item(const struct batch *batch)
{
    int longest = 0;
    for (int i = 0; i < batch->count; i++)
        if (batch->offsets[i + 1] - batch->offsets[i] > longest)
            longest = batch->offsets[i + 1] - batch->offsets[i];
    return longest;
}

bool pass_init(struct pass *pass, struct arena *arena, struct error *err)
{
    size_t tokens = (size_t)pass->batch->offsets[pass->batch->count], hidden = (size_t)pass->config->hidden;
    size_t scratch =
        kern_attention_scratch(longest_item(pass->batch), pass->config->hidden / pass->config->heads);
    pass->attention_stride = (scratch + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
    pass->hidden = allocate(arena, tokens, hidden);
    pass->query = allocate(arena, tokens, hidden);
    pass->key = allocate(arena, tokens, hidden);
    pass->value = allocate(arena, tokens, hidden);
    pass->context = allocate(arena, tokens, hidden);
    pass->sum = allocate(arena, tokens, hidden);
    pass->up = allocate(arena, tokens, (size_t)pass->config->intermediate);
    pass->first = allocate(arena, (size_t)pass->batch->count, hidden);
    pass->attention_scratch = allocate(arena, (size_t)team_threads(pass->team), pass->attention_stride);
    if (pass->hidden && pass->query && pass->key && pass->value && pass->context && pass->sum && pass->up &&
        pass->first && pass->attention_scratch)
        return true;
    return error_set(err, ERR_NO_MEMORY, "no memory for a batch of %zu tokens", tokens);
}

/* --- Linear layers */

struct linear_job {
    const struct kernels *kernels;
    float *y;
    const float *x, *residual;
    int m;
    const struct linear *linear;
    enum activation activation;
};

/* Cuts the product into a grid of row and panel ranges, one cell a part: the grid whose largest cell is
 * smallest, and of equals the one with fewest row cuts, for then each thread streams weights of its own. */
static void split_product(int m, int panels, int part, int parts, int rows[2], int columns[2])
{
    int best = 1;
    long long best_cell = -1;
    for (int row_parts = 1; row_parts <= parts; row_parts++) {
        if (parts % row_parts != 0)
            continue;
        int column_parts = parts / row_parts;
        long long cell =
            (long long)((m + row_parts - 1) / row_parts) * ((panels + column_parts - 1) / column_parts);
        if (best_cell < 0 || cell < best_cell) {
            best_cell = cell;
            best = row_parts;
        }
    }
    team_split(m, part % best, best, &rows[0], &rows[1]);
    team_split(panels, part / best, parts / best, &columns[0], &columns[1]);
}

static void linear_part(void *context, int part, int parts)
{
    const struct linear_job *job = context;
    size_t n = (size_t)job->linear->w.n, k = (size_t)job->linear->w.k;
    int rows[2], panels[2];
    split_product(job->m, job->linear->w.panel_count, part, parts, rows, panels);
    if (rows[0] == rows[1] || panels[0] == panels[1])
        return;
    size_t first = (size_t)rows[0];
    struct gemm_f32 g = {
        .x = job->x + first * k,
        .x_stride = k,
        .y = job->y + first * n,
        .y_stride = n,
        .bias = job->linear->bias,
        .residual = job->residual ? job->residual + first * n : NULL,
        .residual_stride = n,
        .m = rows[1] - rows[0],
        .activation = job->activation,
    };
    job->kernels->gemm_f32(&g, &job->linear->w, panels[0], panels[1]);
}

void encoder_linear(struct pass *pass, float *y, const float *x, int m, const struct linear *linear,
                    enum activation activation, const float *residual)
{
    struct linear_job job = {pass->kernels, y, x, residual, m, linear, activation};
    team_run(pass->team, linear_part, &job);
}

struct projection_job {
    struct linear_job query, key, value;
};

static void projection_part(void *context, int part, int parts)
{
    struct projection_job *job = context;
    linear_part(&job->query, part, parts);
    linear_part(&job->key, part, parts);
    linear_part(&job->value, part, parts);
}

/* Query of `rows` [m][H]; key and value of all tokens. One stage: the three do not depend on each other. */
static void project(struct pass *pass, const struct layer_weights *layer, const float *rows, int m)
{
    int tokens = pass->batch->offsets[pass->batch->count];
    struct projection_job job = {
        .query = {pass->kernels, pass->query, rows, NULL, m, &layer->query, ACT_NONE},
        .key = {pass->kernels, pass->key, pass->hidden, NULL, tokens, &layer->key, ACT_NONE},
        .value = {pass->kernels, pass->value, pass->hidden, NULL, tokens, &layer->value, ACT_NONE},
    };
    team_run(pass->team, projection_part, &job);
}

/* --- Normalisation and embeddings */

struct norm_job {
    const struct pass *pass;
    float *y;
    const float *x;
    int m;
    const struct norm *norm;
};

static void norm_part(void *context, int part, int parts)
{
    const struct norm_job *job = context;
    const struct model_config *config = job->pass->config;
    size_t hidden = (size_t)config->hidden;
    int begin, end;
    team_split(job->m, part, parts, &begin, &end);
    job->pass->kernels->layer_norm(job->y + (size_t)begin * hidden, job->x + (size_t)begin * hidden, hidden,
                                   end - begin, config->hidden, job->norm->gamma, job->norm->beta,
                                   config->layer_norm_eps);
}

static void normalise(struct pass *pass, float *y, const float *x, int m, const struct norm *norm)
{
    struct norm_job job = {pass, y, x, m, norm};
    team_run(pass->team, norm_part, &job);
}

static void embed_part(void *context, int part, int parts)
{
    const struct pass *pass = context;
    const struct kernels *kernels = pass->kernels;
    const struct weights *weights = pass->weights;
    const struct batch *batch = pass->batch;
    size_t hidden = (size_t)pass->config->hidden;
    int begin, end;
    team_split(batch->count, part, parts, &begin, &end);
    for (int item = begin; item < end; item++) {
        for (int token = batch->offsets[item]; token < batch->offsets[item + 1]; token++) {
            float *row = pass->hidden + (size_t)token * hidden;
            kernels->widen(row, table_row(&weights->words, batch->ids[token]), weights->words.dtype, hidden);
            if (weights->types.rows)
                kernels->add_widened(row, table_row(&weights->types, batch->type_ids[token]),
                                     weights->types.dtype, hidden);
            kernels->add_widened(row, table_row(&weights->positions, token - batch->offsets[item]),
                                 weights->positions.dtype, hidden);
            kernels->layer_norm(row, row, hidden, 1, pass->config->hidden, weights->norm.gamma,
                                weights->norm.beta, pass->config->layer_norm_eps);
        }
    }
}

/* --- Attention */

struct attention_job {
    struct pass *pass;
    bool first_only; /* one query row an item, in pass->query and pass->context [C][H] */
};

/* The row of a head at which the share that begins at cost `share` begins; the head's rows begin at cost
 * `at`. */
static int boundary_row(long long share, long long at, int rows, int length)
{
    if (share <= at)
        return 0;
    long long row = (share - at) / length;
    return row >= rows ? rows : (int)(row / ROW_GRAIN * ROW_GRAIN);
}

static void attend_head(const struct attention_job *job, int item, int head, int row_begin, int row_end,
                        float *scratch)
{
    const struct pass *pass = job->pass;
    size_t hidden = (size_t)pass->config->hidden, first = (size_t)pass->batch->offsets[item];
    size_t query_row = job->first_only ? (size_t)item : first;
    int head_size = pass->config->hidden / pass->config->heads;
    size_t column = (size_t)head * (size_t)head_size;
    struct attention_f32 a = {
        .q = pass->query + query_row * hidden + column,
        .k = pass->key + first * hidden + column,
        .v = pass->value + first * hidden + column,
        .qkv_stride = hidden,
        .out = pass->context + query_row * hidden + column,
        .out_stride = hidden,
        .length = pass->batch->offsets[item + 1] - pass->batch->offsets[item],
        .head_size = head_size,
        .scale = 1.0f / sqrtf((float)head_size),
    };
    pass->kernels->attention_f32(&a, row_begin, row_end, scratch);
}

/* Heads are dealt out by cost, rows x length, in order; a long item's head may be cut between parts. */
static void attention_part(void *context, int part, int parts)
{
    const struct attention_job *job = context;
    const struct batch *batch = job->pass->batch;
    int heads = job->pass->config->heads;
    float *scratch = job->pass->attention_scratch + (size_t)part * job->pass->attention_stride;
    long long total = 0, at = 0;
    for (int item = 0; item < batch->count; item++) {
        long long length = batch->offsets[item + 1] - batch->offsets[item];
        total += heads * length * (job->first_only ? 1 : length);
    }
    long long begin = total * part / parts, end = total * (part + 1) / parts;
    for (int item = 0; item < batch->count && at < end; item++) {
        int length = batch->offsets[item + 1] - batch->offsets[item], rows = job->first_only ? 1 : length;
        for (int head = 0; head < heads; head++, at += (long long)rows * length) {
            int row_begin = boundary_row(begin, at, rows, length),
                row_end = boundary_row(end, at, rows, length);
            if (row_begin < row_end)
                attend_head(job, item, head, row_begin, row_end, scratch);
        }
    }
}

/* --- The walk */

/* One layer for `m` query rows of `rows` [m][H] (all tokens, or each item's first); its output goes to `out`
 * [m][H]. */
static void run_layer(struct pass *pass, const struct layer_weights *layer, float *out, float *rows, int m,
                      bool first_only)
{
    struct attention_job attention = {pass, first_only};
    project(pass, layer, rows, m);
    team_run(pass->team, attention_part, &attention);
    encoder_linear(pass, pass->sum, pass->context, m, &layer->attention_output, ACT_NONE, rows);
    normalise(pass, rows, pass->sum, m, &layer->attention_norm);
    encoder_linear(pass, pass->up, rows, m, &layer->up, pass->config->activation, NULL);
    encoder_linear(pass, pass->sum, pass->up, m, &layer->down, ACT_NONE, rows);
    normalise(pass, out, pass->sum, m, &layer->output_norm);
}

void encoder_first_tokens(struct pass *pass)
{
    const struct batch *batch = pass->batch;
    size_t hidden = (size_t)pass->config->hidden;
    int last = pass->config->layers - 1;
    team_run(pass->team, embed_part, pass);
    for (int layer = 0; layer < last; layer++)
        run_layer(pass, &pass->weights->layers[layer], pass->hidden, pass->hidden,
                  batch->offsets[batch->count], false);
    for (int item = 0; item < batch->count; item++)
        memcpy(pass->first + (size_t)item * hidden, pass->hidden + (size_t)batch->offsets[item] * hidden,
               hidden * sizeof(float));
    run_layer(pass, &pass->weights->layers[last], pass->first, pass->first, batch->count, true);
}
