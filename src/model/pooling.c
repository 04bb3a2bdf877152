#include "model/pooling.h"

#include <math.h>
#include <string.h>

/* Whether all that is asked for of each item is one token's state. */
static bool is_only(const struct sentence *sentence, enum pooling pooling)
{
    return sentence->pooling_count == 1 && sentence->pooling[0] == pooling;
}

bool pooling_select(const struct sentence *sentence, const struct batch *batch, struct arena *arena,
                    struct selection *out, struct error *err)
{
    bool first = is_only(sentence, POOLING_CLS), last = is_only(sentence, POOLING_LAST_TOKEN);
    *out = (struct selection){NULL, batch->offsets};
    if (!first && !last)
        return true;
    size_t count = (size_t)batch->count;
    int *offsets = arena_alloc(arena, (count + 1) * sizeof *offsets);
    int *tokens = arena_alloc(arena, count * sizeof *tokens);
    if (!offsets || !tokens)
        return error_set(err, ERR_NO_MEMORY, "no memory for a batch of %d texts", batch->count);
    for (int i = 0; i <= batch->count; i++)
        offsets[i] = i;
    for (int i = 0; i < batch->count; i++)
        tokens[i] = first ? batch->offsets[i] : batch->offsets[i + 1] - 1;
    *out = (struct selection){tokens, offsets};
    return true;
}

/* --- One item, columns begin..end: y[hidden] from x[n][hidden] */

struct columns {
    int begin, end, hidden;
};

static void copy_row(float *y, const float *row, const struct columns *columns)
{
    memcpy(y + columns->begin, row + columns->begin, (size_t)(columns->end - columns->begin) * sizeof *y);
}

static void largest(float *y, const float *x, int n, const struct columns *columns)
{
    copy_row(y, x, columns);
    for (int i = 1; i < n; i++) {
        const float *row = x + (size_t)i * (size_t)columns->hidden;
        for (int j = columns->begin; j < columns->end; j++)
            y[j] = row[j] > y[j] || isnan(row[j]) ? row[j] : y[j];
    }
}

static void weighted_sum(float *y, const float *x, int n, bool weighted, float divisor,
                         const struct columns *columns)
{
    for (int j = columns->begin; j < columns->end; j++)
        y[j] = 0;
    for (int i = 0; i < n; i++) {
        const float *row = x + (size_t)i * (size_t)columns->hidden;
        float weight = weighted ? (float)(i + 1) : 1;
        for (int j = columns->begin; j < columns->end; j++)
            y[j] += row[j] * weight;
    }
    for (int j = columns->begin; j < columns->end; j++)
        y[j] /= divisor;
}

static void pool_item(enum pooling pooling, float *y, const float *x, int n, const struct columns *columns)
{
    switch (pooling) {
    case POOLING_CLS:
        copy_row(y, x, columns);
        break;
    case POOLING_LAST_TOKEN:
        copy_row(y, x + (size_t)(n - 1) * (size_t)columns->hidden, columns);
        break;
    case POOLING_MAX:
        largest(y, x, n, columns);
        break;
    case POOLING_MEAN:
        weighted_sum(y, x, n, false, (float)n, columns);
        break;
    case POOLING_MEAN_SQRT_LEN:
        weighted_sum(y, x, n, false, sqrtf((float)n), columns);
        break;
    case POOLING_WEIGHTED_MEAN:
        weighted_sum(y, x, n, true, (float)n * ((float)n + 1) / 2, columns);
        break;
    }
}

/* --- The batch */

struct pooling_job {
    const struct sentence *sentence;
    const struct rows *states;
    const int *offsets; /* [count + 1] of the states */
    float *pooled;      /* [count][pooling_count * hidden] */
    int count;
};

/* Parts are ranges of columns, so that a long text is shared too. */
static void pool_part(void *context, int part, int parts)
{
    const struct pooling_job *job = context;
    struct columns columns = {.hidden = job->states->k};
    size_t hidden = (size_t)columns.hidden;
    float *y = job->pooled;
    team_split(columns.hidden, part, parts, &columns.begin, &columns.end);
    for (int item = 0; item < job->count; item++) {
        const float *x = job->states->x + (size_t)job->offsets[item] * hidden;
        int n = job->offsets[item + 1] - job->offsets[item];
        for (int i = 0; i < job->sentence->pooling_count; i++, y += hidden)
            pool_item(job->sentence->pooling[i], y, x, n, &columns);
    }
}

bool pooling_run(struct pass *pass, const struct selection *selection, const struct rows *states,
                 struct arena *arena, float *rows, struct error *err)
{
    const struct sentence *sentence = pass->config->sentence;
    int count = pass->batch->count, width = pass->config->hidden * sentence->pooling_count;
    struct pooling_job job = {sentence, states, selection->offsets, rows, count};
    struct rows x = {.k = width};
    for (int i = 0; i <= sentence->dense_count; i++) {
        bool last = i == sentence->dense_count;
        float *y = last ? rows : arena_alloc_aligned(arena, (size_t)count * (size_t)width * sizeof *y, 64);
        if (!y)
            return error_set(err, ERR_NO_MEMORY, "no memory for the embeddings of %d texts", count);
        if (i == 0) {
            job.pooled = y;
            team_run(pass->team, pool_part, &job);
        } else {
            encoder_linear(pass, y, &x, count, &pass->weights->head.sentence[i - 1],
                           sentence->dense[i - 1].activation, NULL);
        }
        x = (struct rows){.x = y, .k = width};
        width = last ? width : sentence->dense[i].out;
    }
    return true;
}

void pooling_mean(struct pass *pass, const struct rows *states, float *rows)
{
    static const struct sentence mean = {.pooling = {POOLING_MEAN}, .pooling_count = 1};
    struct pooling_job job = {&mean, states, pass->batch->offsets, rows, pass->batch->count};
    encoder_stage(pass, STAGE_ROWS, pool_part, &job);
}
