#include "model/encoder.h"

#include <string.h>

#include "base/stats.h"
#include "model/attention.h"
#include "model/family.h"

enum { FLOATS_PER_LINE = 16 };

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

/* False where there is no memory. */
static bool allocate_rows(struct rows *rows, const struct pass *pass, struct arena *arena, size_t m, int k)
{
    enum precision precision = pass->weights->precision;
    *rows = (struct rows){.x = allocate(arena, m, (size_t)k), .k = k};
    if (precision == PRECISION_FP32)
        return rows->x != NULL;
    rows->form_stride = kern_row_size(pass->kernels, precision, k);
    rows->form = arena_alloc_aligned(arena, m * rows->form_stride, 64);
    rows->scales = arena_alloc(arena, m * sizeof *rows->scales);
    return rows->x && rows->form && rows->scales;
}

bool pass_init(struct pass *pass, const struct selection *selection, struct arena *arena, struct error *err)
{
    size_t tokens = (size_t)pass->batch->offsets[pass->batch->count], hidden = (size_t)pass->config->hidden;
    size_t selected = selection->tokens ? (size_t)selection->offsets[pass->batch->count] : 1;
    size_t scratch = attention_scratch(pass, longest_item(pass->batch));
    pass->attention_stride = (scratch + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
    if (pass->config->projects)
        pass->embedded = (struct rows){.x = allocate(arena, tokens, (size_t)pass->config->embedding),
                                       .k = pass->config->embedding};
    bool rows = (!pass->config->projects || pass->embedded.x) &&
                allocate_rows(&pass->hidden, pass, arena, tokens, pass->config->hidden) &&
                allocate_rows(&pass->context, pass, arena, tokens, pass->config->hidden) &&
                allocate_rows(&pass->up, pass, arena, tokens, pass->config->intermediate) &&
                allocate_rows(&pass->selected, pass, arena, selected, pass->config->hidden);
    pass->positions = arena_alloc(arena, tokens * sizeof *pass->positions);
    pass->selected_places = arena_alloc(arena, selected * sizeof *pass->selected_places);
    pass->query = allocate(arena, tokens, hidden);
    pass->key = allocate(arena, tokens, hidden);
    pass->value = allocate(arena, tokens, hidden);
    pass->sum = allocate(arena, tokens, hidden);
    pass->attention_scratch = allocate(arena, (size_t)team_threads(pass->team), pass->attention_stride);
    if (rows && pass->positions && pass->selected_places && pass->query && pass->key && pass->value &&
        pass->sum && pass->attention_scratch)
        return true;
    return error_set(err, ERR_NO_MEMORY, "no memory for a batch of %zu tokens", tokens);
}

void encoder_stage(struct pass *pass, enum stage stage, team_work *work, void *context)
{
    uint64_t begin = pass->times ? clock_ns() : 0;
    team_run(pass->team, work, context);
    if (pass->times)
        pass->times->ns[stage] += clock_ns() - begin;
}

void encoder_count(struct pass *pass, enum stage stage, int m, int n, int k)
{
    if (pass->times)
        pass->times->operations[stage] += 2 * (uint64_t)m * (uint64_t)n * (uint64_t)k;
}

static void count_product(struct pass *pass, int m, const struct linear *linear)
{
    encoder_count(pass, STAGE_GEMM, m, linear->w.n, linear->w.k);
}

/* --- Rows in the precision's form */

static void convert_rows(const struct pass *pass, const struct rows *rows, int begin, int end)
{
    size_t first = (size_t)begin, k = (size_t)rows->k;
    if (rows->form)
        pass->kernels->convert[pass->weights->precision](rows->form + first * rows->form_stride,
                                                         rows->form_stride, rows->scales + first,
                                                         rows->x + first * k, k, end - begin, rows->k);
}

struct convert_job {
    const struct pass *pass;
    const struct rows *rows;
    int m;
};

static void convert_part(void *context, int part, int parts)
{
    const struct convert_job *job = context;
    int begin, end;
    team_split(job->m, part, parts, &begin, &end);
    convert_rows(job->pass, job->rows, begin, end);
}

/* Of rows that are complete only when all of the team has written to them. */
static void convert(struct pass *pass, const struct rows *rows, int m)
{
    struct convert_job job = {pass, rows, m};
    if (rows->form)
        encoder_stage(pass, STAGE_ROWS, convert_part, &job);
}

static void copy_row(const struct rows *to, size_t to_row, const struct rows *from, size_t from_row)
{
    size_t k = (size_t)from->k;
    memcpy(to->x + to_row * k, from->x + from_row * k, k * sizeof *from->x);
    if (!from->form)
        return;
    memcpy(to->form + to_row * from->form_stride, from->form + from_row * from->form_stride,
           from->form_stride);
    to->scales[to_row] = from->scales[from_row];
}

/* --- Linear layers */

struct linear_job {
    const struct kernels *kernels;
    float *y;
    const struct rows *x;
    const float *residual;
    int m;
    const struct linear *linear;
    enum activation activation;
    const float *gate; /* [m][n] or NULL */
};

/* Rows a part from which on each part takes rows of its own, with all panels. The other stages cut by rows
 * too: what a part reads is then what it wrote, and not lines that another core's cache has. Fewer rows would
 * not pay for a second stream of the weights. */
enum { OWN_ROWS = 128 };

/* Into how many row ranges a product of so many rows and panels is cut: of the grids with a cell for each
 * part the one whose largest cell is smallest, and of equals the one with fewest row cuts, for then each
 * thread streams weights of its own. */
static int row_parts_of(int m, int panels, int parts)
{
    int best = 1;
    long long best_cell = -1;
    if (m >= parts * OWN_ROWS)
        return parts;
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
    return best;
}

static void split_product(int m, int panels, int part, int parts, int rows[2], int columns[2])
{
    int row_parts = row_parts_of(m, panels, parts);
    team_split(m, part % row_parts, row_parts, &rows[0], &rows[1]);
    team_split(panels, part / row_parts, parts / row_parts, &columns[0], &columns[1]);
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
    bool floats = job->linear->w.precision == PRECISION_FP32;
    struct gemm g = {
        .x = floats ? (const void *)(job->x->x + first * k) : job->x->form + first * job->x->form_stride,
        .x_stride = floats ? k * sizeof(float) : job->x->form_stride,
        .scales = floats ? NULL : job->x->scales + first,
        .y = job->y + first * n,
        .y_stride = n,
        .bias = job->linear->bias,
        .gate = job->gate ? job->gate + first * n : NULL,
        .gate_stride = n,
        .residual = job->residual ? job->residual + first * n : NULL,
        .residual_stride = n,
        .m = rows[1] - rows[0],
        .activation = job->activation,
    };
    job->kernels->gemm[job->linear->w.precision](&g, &job->linear->w, panels[0], panels[1]);
}

void encoder_linear(struct pass *pass, float *y, const struct rows *x, int m, const struct linear *linear,
                    enum activation activation, const float *residual)
{
    struct linear_job job = {pass->kernels, y, x, residual, m, linear, activation, NULL};
    encoder_stage(pass, STAGE_GEMM, linear_part, &job);
    count_product(pass, m, linear);
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
static void project(struct pass *pass, const struct layer_weights *layer, const struct rows *rows, int m)
{
    int tokens = pass->batch->offsets[pass->batch->count];
    struct projection_job job = {
        .query = {pass->kernels, pass->query, rows, NULL, m, &layer->query, ACT_NONE, NULL},
        .key = {pass->kernels, pass->key, &pass->hidden, NULL, tokens, &layer->key, ACT_NONE, NULL},
        .value = {pass->kernels, pass->value, &pass->hidden, NULL, tokens, &layer->value, ACT_NONE, NULL},
    };
    encoder_stage(pass, STAGE_GEMM, projection_part, &job);
    count_product(pass, m, &layer->query);
    count_product(pass, tokens, &layer->key);
    count_product(pass, tokens, &layer->value);
}

struct gated_job {
    struct linear_job gate, up;
};

/* Both are split alike, so that each part reads only what it wrote of the gate. */
static void gated_part(void *context, int part, int parts)
{
    struct gated_job *job = context;
    linear_part(&job->gate, part, parts);
    linear_part(&job->up, part, parts);
}

/* The feed-forward part's inner rows [m][I] of pass->up, in the precision's form too. */
static void widen_rows(struct pass *pass, const struct layer_weights *layer, const struct rows *rows, int m)
{
    enum activation activation = pass->config->activation;
    float *y = pass->up.x;
    if (pass->config->family->names->gate) {
        struct gated_job job = {
            .gate = {pass->kernels, y, rows, NULL, m, &layer->gate, ACT_NONE, NULL},
            .up = {pass->kernels, y, rows, NULL, m, &layer->up, activation, y},
        };
        encoder_stage(pass, STAGE_GEMM, gated_part, &job);
        count_product(pass, m, &layer->gate);
        count_product(pass, m, &layer->up);
    } else {
        encoder_linear(pass, y, rows, m, &layer->up, activation, NULL);
    }
    convert(pass, &pass->up, m);
}

/* --- Normalisation and embeddings */

struct norm_job {
    const struct pass *pass;
    const struct rows *y;
    const float *x;
    int m;
    const struct norm *norm;
};

static void norm_part(void *context, int part, int parts)
{
    const struct norm_job *job = context;
    size_t k = (size_t)job->y->k;
    int begin, end;
    team_split(job->m, part, parts, &begin, &end);
    job->pass->kernels->layer_norm(job->y->x + (size_t)begin * k, job->x + (size_t)begin * k, k, end - begin,
                                   job->y->k, job->norm->gamma, job->norm->beta,
                                   job->pass->config->layer_norm_eps);
    convert_rows(job->pass, job->y, begin, end);
}

void encoder_normalise(struct pass *pass, const struct rows *y, const float *x, int m,
                       const struct norm *norm)
{
    struct norm_job job = {pass, y, x, m, norm};
    encoder_stage(pass, STAGE_ROWS, norm_part, &job);
}

static void number_tokens(struct pass *pass)
{
    const struct batch *batch = pass->batch;
    bool after_padding = pass->config->family->positions != POSITIONS_FROM_ZERO;
    int pad = pass->config->pad;
    for (int item = 0; item < batch->count; item++) {
        int next = after_padding ? pad + 1 : 0;
        for (int token = batch->offsets[item]; token < batch->offsets[item + 1]; token++)
            pass->positions[token] = after_padding && batch->ids[token] == pad ? pad : next++;
    }
}

static void embed_token(const struct pass *pass, const struct rows *rows, int token)
{
    const struct kernels *kernels = pass->kernels;
    const struct weights *weights = pass->weights;
    const struct batch *batch = pass->batch;
    size_t k = (size_t)rows->k;
    float *row = rows->x + (size_t)token * k;
    kernels->widen(row, table_row(&weights->words, batch->ids[token]), weights->words.dtype, k);
    if (weights->types.rows)
        kernels->add_widened(row, table_row(&weights->types, batch->type_ids[token]), weights->types.dtype,
                             k);
    if (weights->positions.rows)
        kernels->add_widened(row, table_row(&weights->positions, pass->positions[token]),
                             weights->positions.dtype, k);
    kernels->layer_norm(row, row, k, 1, rows->k, weights->norm.gamma, weights->norm.beta,
                        pass->config->layer_norm_eps);
}

struct embed_job {
    const struct pass *pass;
    const struct rows *rows; /* [T][E] */
};

static void embed_part(void *context, int part, int parts)
{
    const struct embed_job *job = context;
    int begin, end;
    team_split(job->pass->batch->offsets[job->pass->batch->count], part, parts, &begin, &end);
    for (int token = begin; token < end; token++)
        embed_token(job->pass, job->rows, token);
    convert_rows(job->pass, job->rows, begin, end);
}

static void embed(struct pass *pass)
{
    int tokens = pass->batch->offsets[pass->batch->count];
    bool projects = pass->config->projects;
    struct embed_job job = {pass, projects ? &pass->embedded : &pass->hidden};
    number_tokens(pass);
    encoder_stage(pass, STAGE_ROWS, embed_part, &job);
    if (!projects)
        return;
    encoder_linear(pass, pass->hidden.x, &pass->embedded, tokens, &pass->weights->projection, ACT_NONE, NULL);
    convert(pass, &pass->hidden, tokens);
}

/* --- The walk */

/* Rows that a layer computes: those of item i are offsets[i]..offsets[i + 1]. */
struct layer_rows {
    const struct rows *states; /* [m][H] what is computed from, replaced by the layer's output */
    float *sums;               /* [m][H] what is added to: the states, or what they are the norm of */
    const int *offsets;
    const int *places; /* [m] of the rows in their items; NULL: they are all of their items' tokens */
};

static void run_layer(struct pass *pass, int walked, const struct layer_rows *rows)
{
    int stored = config_stored_layer(pass->config, walked), m = rows->offsets[pass->batch->count];
    const struct layer_weights *layer = &pass->weights->layers[stored];
    const float *residual = pass->config->family->norms_first ? rows->sums : rows->states->x;
    project(pass, layer, rows->states, m);
    attention_run(pass, layer, walked, rows->offsets, rows->places);
    convert(pass, &pass->context, m);
    encoder_linear(pass, rows->sums, &pass->context, m, &layer->attention_output, ACT_NONE, residual);
    encoder_normalise(pass, rows->states, rows->sums, m, &layer->attention_norm);
    widen_rows(pass, layer, rows->states, m);
    encoder_linear(pass, rows->sums, &pass->up, m, &layer->down, ACT_NONE, residual);
    encoder_normalise(pass, rows->states, rows->sums, m, &layer->output_norm);
}

/* The last layer's input of the selected tokens. Sums are moved down in place, for the tokens rise. */
static struct layer_rows select_rows(struct pass *pass, const struct selection *selection)
{
    const struct batch *batch = pass->batch;
    size_t hidden = (size_t)pass->config->hidden;
    for (int item = 0; item < batch->count; item++)
        for (int i = selection->offsets[item]; i < selection->offsets[item + 1]; i++) {
            size_t to = (size_t)i, from = (size_t)selection->tokens[i];
            copy_row(&pass->selected, to, &pass->hidden, from);
            if (pass->config->family->norms_first)
                memmove(pass->sum + to * hidden, pass->sum + from * hidden, hidden * sizeof *pass->sum);
            pass->selected_places[i] = selection->tokens[i] - batch->offsets[item];
        }
    return (struct layer_rows){&pass->selected, pass->sum, selection->offsets, pass->selected_places};
}

const struct rows *encoder_run(struct pass *pass, const struct selection *selection)
{
    int last = config_walked_layers(pass->config) - 1;
    struct layer_rows rows = {&pass->hidden, pass->sum, pass->batch->offsets, NULL};
    embed(pass);
    if (pass->config->family->norms_first)
        memcpy(pass->sum, pass->hidden.x,
               (size_t)pass->batch->offsets[pass->batch->count] * (size_t)pass->config->hidden *
                   sizeof *pass->sum);
    for (int walked = 0; walked < last; walked++)
        run_layer(pass, walked, &rows);
    if (selection->tokens)
        rows = select_rows(pass, selection);
    run_layer(pass, last, &rows);
    return rows.states;
}
