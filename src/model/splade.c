#include "model/splade.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK_TOKENS = 128,
    BLOCK_COLUMNS = 128, /* with as many tokens 64 KiB, which stay in a core's own cache */
};

struct splade_job {
    const struct pass *pass;
    const struct rows *states;
    float *rows;    /* [count][vocabulary] */
    float *scratch; /* [threads][scratch_stride] */
    size_t scratch_stride;
    int panels; /* of a block */
};

/* A block's columns begin..begin + count of the vocabulary. */
struct span {
    int begin, count;
};

/* y = max(y, x), NaN where either is. */
static void fold_largest(float *y, const float *x, int n)
{
    for (int j = 0; j < n; j++)
        y[j] = x[j] > y[j] || isnan(x[j]) ? x[j] : y[j];
}

/* log(1 + max(x, 0)), perhaps twice. Most logits of a trained model are negative. */
static float activate(const struct splade *splade, float x)
{
    if (x <= 0)
        return 0;
    float y = log1pf(x);
    return splade->twice ? log1pf(y) : y;
}

static void fold_sum(const struct splade *splade, float *y, const float *x, int n)
{
    for (int j = 0; j < n; j++)
        y[j] += activate(splade, x[j]);
}

/* The logits of tokens begin..end, [end - begin][span.count], into their items' rows. */
static void fold(const struct splade_job *job, const float *logits, int begin, int end, struct span span)
{
    const struct splade *splade = &job->pass->config->sentence->splade;
    const int *offsets = job->pass->batch->offsets;
    size_t vocabulary = (size_t)job->pass->config->vocab_size;
    int item = 0;
    for (int token = begin; token < end; token++, logits += span.count) {
        while (token >= offsets[item + 1])
            item++;
        float *y = job->rows + (size_t)item * vocabulary + span.begin;
        if (splade->sums)
            fold_sum(splade, y, logits, span.count);
        else
            fold_largest(y, logits, span.count);
    }
}

/* The logits of a block of tokens for the panels of `w`, which are the columns of `span`. */
static void multiply(const struct splade_job *job, float *logits, int begin, int end, const struct packed *w,
                     struct span span)
{
    const struct pass *pass = job->pass;
    const float *bias = pass->weights->head.output.bias;
    size_t k = (size_t)job->states->k;
    const struct gemm g = {
        .x = job->states->x + (size_t)begin * k,
        .x_stride = k * sizeof(float),
        .y = logits,
        .y_stride = (size_t)span.count,
        .bias = bias ? bias + span.begin : NULL,
        .m = end - begin,
        .activation = ACT_NONE,
    };
    pass->kernels->gemm[PRECISION_FP32](&g, w, 0, w->panel_count);
}

/* Panels begin..end for all tokens. */
static void pool_panels(const struct splade_job *job, float *scratch, int begin, int end)
{
    const struct pass *pass = job->pass;
    const struct packed *whole = &pass->weights->head.output.w;
    const struct packed w = kern_packed_panels(pass->kernels, whole, begin, end);
    const struct span span = {begin * whole->panel, w.n};
    const struct splade *splade = &pass->config->sentence->splade;
    int count = pass->batch->count, tokens = pass->batch->offsets[count];
    size_t vocabulary = (size_t)pass->config->vocab_size;
    /* What is below 0 counts as 0, so that the largest may start there. */
    for (int item = 0; item < count; item++)
        memset(job->rows + (size_t)item * vocabulary + span.begin, 0, (size_t)span.count * sizeof *job->rows);
    for (int token = 0; token < tokens; token += BLOCK_TOKENS) {
        int next = tokens - token < BLOCK_TOKENS ? tokens : token + BLOCK_TOKENS;
        multiply(job, scratch, token, next, &w, span);
        fold(job, scratch, token, next, span);
    }
    /* The logarithm rises: that of the largest is the largest. */
    for (int item = 0; item < count && !splade->sums; item++) {
        float *y = job->rows + (size_t)item * vocabulary + span.begin;
        for (int j = 0; j < span.count; j++)
            y[j] = activate(splade, y[j]);
    }
}

static void pool_part(void *context, int part, int parts)
{
    const struct splade_job *job = context;
    int begin, end;
    team_split(job->pass->weights->head.output.w.panel_count, part, parts, &begin, &end);
    for (int panel = begin; panel < end; panel += job->panels)
        pool_panels(job, job->scratch + (size_t)part * job->scratch_stride, panel,
                    end - panel < job->panels ? end : panel + job->panels);
}

bool splade_run(struct pass *pass, const struct rows *states, struct arena *arena, float *rows,
                struct error *err)
{
    const struct packed *w = &pass->weights->head.output.w;
    int tokens = pass->batch->offsets[pass->batch->count];
    int panels = w->panel < BLOCK_COLUMNS ? BLOCK_COLUMNS / w->panel : 1;
    struct splade_job job = {
        .pass = pass,
        .states = states,
        .rows = rows,
        .scratch_stride = (size_t)BLOCK_TOKENS * (size_t)panels * (size_t)w->panel,
        .panels = panels,
    };
    size_t threads = (size_t)team_threads(pass->team);
    job.scratch = arena_alloc_aligned(arena, threads * job.scratch_stride * sizeof *job.scratch, 64);
    if (!job.scratch)
        return error_set(err, ERR_NO_MEMORY, "no memory for the sparse embeddings of %d texts",
                         pass->batch->count);
    encoder_stage(pass, STAGE_GEMM, pool_part, &job);
    encoder_count(pass, STAGE_GEMM, tokens, w->n, w->k);
    return true;
}
