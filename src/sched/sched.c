#include "sched/sched.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum {
    MAX_TEAM = 8,
    FP32_BATCH_TOKENS = 256,
    QUEUE_JOBS = 512,
    QUEUE_BUDGETS = 64,
    /* More items than this come in the next batch, whatever the budget. */
    MAX_BATCH_ITEMS = 4096,
    /* The share of the newest batch in the measured rate is 1 / RATE_WINDOW. */
    RATE_WINDOW = 16,
    MIN_RETRY_MS = 50,
    MAX_RETRY_MS = 60000,
    SHUTDOWN_RETRY_MS = 1000,
};

struct lane_thread {
    struct sched *sched;
    struct lane *lane;
    pthread_t thread;
    struct item *items[MAX_BATCH_ITEMS];
};

struct sched {
    struct engine *engine;
    struct sched_options options;
    struct queue *queue;
    struct sched_stats stats;
    atomic_ullong ns_per_kilotoken; /* of one lane */
    int started;
    struct lane_thread lanes[];
};

void sched_options_default(struct sched_options *options, int cores)
{
    int lanes = (cores + MAX_TEAM - 1) / MAX_TEAM;
    *options = (struct sched_options){
        .lanes = lanes,
        .threads_per_lane = cores / lanes,
        .batch_tokens = FP32_BATCH_TOKENS,
        .queue_jobs = QUEUE_JOBS,
        .queue_budgets = QUEUE_BUDGETS,
    };
}

static void learn_rate(struct sched *sched, size_t tokens, uint64_t ns)
{
    uint64_t newest = ns * 1000 / tokens, known = atomic_load(&sched->ns_per_kilotoken);
    uint64_t learned = known ? (known * (RATE_WINDOW - 1) + newest) / RATE_WINDOW : newest;
    atomic_store(&sched->ns_per_kilotoken, learned ? learned : 1);
}

static void count_batch(struct sched *sched, struct item *const items[], size_t count, uint64_t ns)
{
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++) {
        struct job *job = items[i]->job;
        tokens += items[i]->cost;
        if (ns > atomic_load(&job->compute_ns))
            atomic_store(&job->compute_ns, ns);
        if (items[i] == &job->items[0])
            histogram_add_ns(&sched->stats.queue, atomic_load(&job->queue_ns));
    }
    histogram_add_ns(&sched->stats.compute, ns);
    histogram_add_count(&sched->stats.batch_items, count);
    histogram_add_count(&sched->stats.batch_tokens, tokens);
    atomic_fetch_add(&sched->stats.batches, 1);
    atomic_fetch_add(&sched->stats.tokens, tokens);
    learn_rate(sched, tokens, ns);
}

static void *lane_main(void *argument)
{
    struct lane_thread *self = argument;
    struct sched *sched = self->sched;
    size_t count;
    for (;;) {
        lane_wait(self->lane);
        count = queue_take(sched->queue, sched->options.batch_tokens, self->items, MAX_BATCH_ITEMS);
        if (count == 0)
            return NULL;
        uint64_t begin = clock_ns();
        lane_run(self->lane, self->items, count);
        count_batch(sched, self->items, count, clock_ns() - begin);
        for (size_t i = 0; i < count; i++)
            job_complete(self->items[i]->job, 1);
    }
}

static bool start_lane(struct sched *sched, struct lane_thread *self, struct error *err)
{
    self->sched = sched;
    self->lane = lane_open(sched->engine, sched->options.threads_per_lane, err);
    if (!self->lane)
        return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&self->thread, NULL, lane_main, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem == 0)
        return true;
    lane_close(self->lane);
    return error_set_errno(err, problem, "starting a lane");
}

struct sched *sched_start(struct engine *engine, const struct sched_options *options, struct error *err)
{
    struct sched *sched = calloc(1, sizeof *sched + (size_t)options->lanes * sizeof *sched->lanes);
    if (!sched) {
        error_set(err, ERR_NO_MEMORY, "no memory for %d lanes", options->lanes);
        return NULL;
    }
    sched->engine = engine;
    sched->options = *options;
    histogram_init_seconds(&sched->stats.queue);
    histogram_init_seconds(&sched->stats.compute);
    histogram_init_counts(&sched->stats.batch_items);
    histogram_init_counts(&sched->stats.batch_tokens);
    sched->queue = queue_open(options->queue_jobs, options->queue_budgets * options->batch_tokens, err);
    bool started = sched->queue != NULL;
    while (started && sched->started < options->lanes) {
        started = start_lane(sched, &sched->lanes[sched->started], err);
        sched->started += started;
    }
    if (started)
        return sched;
    sched_stop(sched);
    return NULL;
}

void sched_stop(struct sched *sched)
{
    if (!sched)
        return;
    if (sched->queue)
        queue_close(sched->queue);
    for (int i = 0; i < sched->started; i++) {
        pthread_join(sched->lanes[i].thread, NULL);
        lane_close(sched->lanes[i].lane);
    }
    queue_free(sched->queue);
    free(sched);
}

double sched_rate(const struct sched *sched)
{
    uint64_t ns = atomic_load(&sched->ns_per_kilotoken);
    return ns ? 1e12 / (double)ns * sched->options.lanes : 0;
}

/* When what waits now will have been computed, at the rate measured lately. */
static void fill_retry(struct sched *sched, struct error *err)
{
    double rate = sched_rate(sched);
    double ms = rate > 0 ? (double)queue_state(sched->queue).cost / rate * 1e3 : MIN_RETRY_MS;
    err->retry_ms = ms < MIN_RETRY_MS ? MIN_RETRY_MS : ms > MAX_RETRY_MS ? MAX_RETRY_MS : (unsigned)ms;
    atomic_fetch_add(&sched->stats.rejected, 1);
}

bool sched_submit(struct sched *sched, struct job *job, struct error *err)
{
    if (queue_push(sched->queue, job, err))
        return true;
    if (err->kind == ERR_OVERLOADED)
        fill_retry(sched, err);
    else
        err->retry_ms = SHUTDOWN_RETRY_MS;
    return false;
}

bool sched_has_room(struct sched *sched, struct error *err)
{
    if (queue_has_room(sched->queue))
        return true;
    error_set(err, ERR_OVERLOADED, "%zu requests are waiting, the limit is %zu",
              queue_state(sched->queue).jobs, sched->options.queue_jobs);
    fill_retry(sched, err);
    return false;
}

const struct sched_stats *sched_stats(const struct sched *sched)
{
    return &sched->stats;
}

const struct sched_options *sched_options(const struct sched *sched)
{
    return &sched->options;
}

struct queue_state sched_queue(struct sched *sched)
{
    return queue_state(sched->queue);
}

struct engine *sched_engine(const struct sched *sched)
{
    return sched->engine;
}
