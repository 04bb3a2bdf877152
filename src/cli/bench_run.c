#include "cli/bench_run.h"

#include <stdlib.h>
#include <string.h>

#include "sched/budget.h"

enum {
    WARM_UPS = 2, /* after two batches of a size a lane allocates no more */
    MIN_REPEATS = 3,
    MAX_REPEATS = 300,
    P99_REPEATS = 100,
    SHORTEST_WORDS = 5,
    LONGEST_WORDS = 120,
    ARENA_BYTES = 1 << 20,
};

struct bench_samples {
    double total[MAX_REPEATS], stages[STAGE_COUNT][MAX_REPEATS];
};

/* The items of a case, and where its batches end. */
struct workload {
    struct item *items, **pointers;
    size_t texts, tokens;
    size_t ends[BENCH_MIXED_COUNT], batches;
};

void bench_close(struct bench *bench)
{
    team_stop(bench->team);
    lane_close(bench->lane);
    arena_free(&bench->arena);
    free(bench->samples);
}

/* --- Workloads */

/* The mixed set's lengths, in an order that mixes short and long. */
static int mixed_tokens(int text, int max_tokens)
{
    int step = text * 13 % BENCH_MIXED_COUNT;
    int words = SHORTEST_WORDS + (LONGEST_WORDS - SHORTEST_WORDS) * step / (BENCH_MIXED_COUNT - 1);
    return words + 2 < max_tokens ? words + 2 : max_tokens;
}

static int text_tokens(const struct bench_case *what, int text, int max_tokens)
{
    switch (what->kind) {
    case BENCH_TEXTS:
        return what->tokens;
    case BENCH_SIZE:
        return BENCH_SHORT_TOKENS < max_tokens ? BENCH_SHORT_TOKENS : max_tokens;
    default:
        return mixed_tokens(text, max_tokens);
    }
}

static bool make_item(struct bench *bench, struct item *item, int tokens, uint64_t *random)
{
    const struct model_desc *desc = &bench->engine->desc;
    size_t count = (size_t)tokens;
    *item = (struct item){
        .cost = count,
        .ids = arena_alloc(&bench->arena, count * sizeof *item->ids),
        .type_ids = arena_calloc(&bench->arena, count, sizeof *item->type_ids),
        .length = count,
        .full_length = count,
        .row_count = 1,
        .columns = (size_t)desc->columns,
        .rows = arena_alloc(&bench->arena, (size_t)desc->columns * sizeof *item->rows),
    };
    if (desc->task == TASK_SPARSE_EMBEDDING)
        item->sparse = arena_alloc(&bench->arena, (size_t)desc->columns * sizeof *item->sparse);
    if (!item->ids || !item->type_ids || !item->rows ||
        (desc->task == TASK_SPARSE_EMBEDDING && !item->sparse))
        return false;
    for (size_t i = 0; i < count; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
        item->ids[i] = (int32_t)((*random >> 33) % (uint64_t)desc->vocab_size);
    }
    return true;
}

static void cut_batches(const struct bench_case *what, struct workload *work)
{
    size_t texts = 0, tokens = 0;
    if (what->kind == BENCH_TEXTS || what->kind == BENCH_SIZE) {
        work->ends[work->batches++] = work->texts;
        return;
    }
    for (size_t i = 0; i < work->texts; i++) {
        bool full = what->kind == BENCH_MIXED_TEXTS ? texts == (size_t)what->texts
                                                    : tokens + work->items[i].length > (size_t)what->tokens;
        if (full && texts > 0) {
            work->ends[work->batches++] = i;
            texts = tokens = 0;
        }
        texts++;
        tokens += work->items[i].length;
    }
    work->ends[work->batches++] = work->texts;
}

static bool make_work(struct bench *bench, const struct bench_case *what, struct workload *work,
                      struct error *err)
{
    bool mixed = what->kind == BENCH_MIXED_TEXTS || what->kind == BENCH_MIXED_TOKENS;
    uint64_t random = 1;
    *work = (struct workload){0};
    arena_reset(&bench->arena);
    work->texts = (size_t)(mixed ? BENCH_MIXED_COUNT : what->texts);
    work->items = arena_alloc(&bench->arena, work->texts * sizeof *work->items);
    work->pointers = arena_alloc(&bench->arena, work->texts * sizeof *work->pointers);
    bool made = work->items && work->pointers;
    for (size_t i = 0; made && i < work->texts; i++) {
        int tokens = text_tokens(what, (int)i, bench->engine->desc.max_tokens);
        made = make_item(bench, &work->items[i], tokens, &random);
        work->pointers[i] = &work->items[i];
        work->tokens += (size_t)tokens;
    }
    if (!made)
        return error_set(err, ERR_NO_MEMORY, "no memory for a batch of %zu texts", work->texts);
    cut_batches(what, work);
    return true;
}

/* --- Measuring */

static bool run_once(struct bench *bench, const struct workload *work, double *seconds, struct error *err)
{
    uint64_t begin = clock_ns();
    for (size_t batch = 0, first = 0; batch < work->batches; first = work->ends[batch++])
        lane_run(bench->lane, work->pointers + first, work->ends[batch] - first);
    *seconds = (double)(clock_ns() - begin) * 1e-9;
    for (size_t i = 0; i < work->texts; i++)
        if (work->items[i].error != ERR_NONE)
            return error_set(err, work->items[i].error, "a batch of %zu texts, %zu tokens: %s", work->texts,
                             work->tokens, error_kind_words(work->items[i].error));
    return true;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; the nearest rank. */
static double percentile(double *values, int count, int percent)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(count * percent + 99) / 100 - 1];
}

static void summarise(struct bench_samples *samples, struct bench_result *out)
{
    out->median = percentile(samples->total, out->repeats, 50);
    if (out->repeats >= P99_REPEATS)
        out->p99 = percentile(samples->total, out->repeats, 99);
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        out->stages[stage] = percentile(samples->stages[stage], out->repeats, 50);
}

static bool repeat(struct bench *bench, const struct workload *work, double seconds, struct bench_result *out,
                   struct error *err)
{
    struct bench_samples *samples = bench->samples;
    struct stage_times times = {0};
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    double warm_up;
    for (int i = 0; i < WARM_UPS; i++)
        if (!run_once(bench, work, &warm_up, err))
            return false;
    lane_measure(bench->lane, &times);
    bool ran = true;
    while (ran && (out->repeats < MIN_REPEATS || (out->repeats < MAX_REPEATS && clock_ns() < end))) {
        times = (struct stage_times){0};
        ran = run_once(bench, work, &samples->total[out->repeats], err);
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            samples->stages[stage][out->repeats] = (double)times.ns[stage] * 1e-9;
        out->repeats++;
    }
    lane_measure(bench->lane, NULL);
    memcpy(out->operations, times.operations, sizeof out->operations);
    return ran;
}

static void raise_peak(double *peak, kern_peak_loop *loop, struct team *team)
{
    double now = loop ? kern_peak(loop, team) : 0;
    if (now > *peak)
        *peak = now;
}

/* A first batch pays for cold memory; the rate of a second foretells the cases'. */
static bool warm_up(struct bench *bench, struct error *err)
{
    const struct bench_case small = {BENCH_SIZE, 2, BENCH_SHORT_TOKENS};
    struct workload work;
    double seconds;
    if (!make_work(bench, &small, &work, err) || !run_once(bench, &work, &seconds, err) ||
        !run_once(bench, &work, &seconds, err))
        return false;
    bench->seconds_a_token = seconds / (double)work.tokens;
    return true;
}

bool bench_open(struct bench *bench, const struct engine *engine, int threads, struct error *err)
{
    *bench = (struct bench){
        .engine = engine,
        .product_loop = kern_peak_find(engine->desc.isa, engine->desc.precision),
        .attention_loop = kern_peak_find(engine->desc.isa, engine->desc.attention_precision),
    };
    arena_init(&bench->arena, ARENA_BYTES, SIZE_MAX);
    bench->samples = malloc(sizeof *bench->samples);
    if (!bench->samples)
        error_set(err, ERR_NO_MEMORY, "no memory to keep %d times", MAX_REPEATS);
    else if ((bench->lane = lane_open(engine, threads, err)))
        bench->team = team_start(threads, err);
    if (bench->team && warm_up(bench, err))
        return true;
    bench_close(bench);
    return false;
}

bool bench_run(struct bench *bench, const struct bench_case *what, double seconds, double most,
               struct bench_result *out, struct error *err)
{
    struct workload work;
    *out = (struct bench_result){.what = *what};
    if (!make_work(bench, what, &work, err))
        return false;
    out->texts = work.texts;
    out->tokens = work.tokens;
    out->foreseen = bench->seconds_a_token * (double)work.tokens;
    if (out->foreseen * (WARM_UPS + MIN_REPEATS) > most)
        return true;
    raise_peak(&bench->product_peak, bench->product_loop, bench->team);
    raise_peak(&bench->attention_peak, bench->attention_loop, bench->team);
    if (!repeat(bench, &work, seconds, out, err))
        return false;
    summarise(bench->samples, out);
    if (out->median / (double)work.tokens < bench->seconds_a_token)
        bench->seconds_a_token = out->median / (double)work.tokens;
    return true;
}

size_t bench_batch_tokens(const struct bench_result *sizes, size_t count)
{
    struct budget_size known[BUDGET_SIZES];
    int known_count = 0;
    for (size_t i = 0; i < count && known_count < BUDGET_SIZES; i++)
        if (sizes[i].repeats)
            known[known_count++] = (struct budget_size){.tokens = sizes[i].tokens,
                                                        .ns_per_token = 1e9 / bench_rate(&sizes[i]),
                                                        .trials = sizes[i].repeats};
    return known_count ? budget_pick(known, known_count) : 0;
}
