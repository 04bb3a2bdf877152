#include "sched/sched.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum {
    MAX_TEAM = 8,
    QUEUE_JOBS = 512,
    QUEUE_BUDGETS = 64,
    BATCH_INPUTS = 8,
    /* More items than this come in the next batch, whatever the budget. */
    MAX_BATCH_ITEMS = 4096,
    /* The share of the newest batch in the measured rate is 1 / RATE_WINDOW. */
    RATE_WINDOW = 16,
    MIN_RETRY_MS = 50,
    MAX_RETRY_MS = 60000,
    SHUTDOWN_RETRY_MS = 1000,
};

struct sched {
    struct lanes *lanes;
    int line; /* of the queue, and the model's index */
    struct engine *engine;
    struct sched_options options;
    struct budget budget;
    struct sched_stats stats;
    atomic_ullong ns_per_kilotoken; /* of one lane */
};

struct lane_thread {
    struct lanes *lanes;
    struct team *team;    /* of native engines; NULL where the thread serves a process */
    struct lane **opened; /* [models] NULL: not served by this thread */
    size_t *budgets;      /* [models] of the next batch; 0: not served */
    int process_of;       /* the model whose process it serves; -1: all native ones */
    pthread_t thread;
    struct item *items[MAX_BATCH_ITEMS];
};

struct lanes {
    struct queue *queue;
    struct sched *models; /* [count] */
    int count;
    struct lane_thread *threads; /* [thread_count] */
    int thread_count, started;
};

void sched_options_default(struct sched_options *options, int cores)
{
    int lanes = (cores + MAX_TEAM - 1) / MAX_TEAM;
    *options = (struct sched_options){
        .lanes = lanes,
        .threads_per_lane = cores / lanes,
        .batch_inputs = BATCH_INPUTS,
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

static size_t cost_of_batch(struct item *const items[], size_t count)
{
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++)
        tokens += items[i]->cost;
    return tokens;
}

static void count_batch(struct sched *sched, struct item *const items[], size_t count, size_t tokens,
                        uint64_t ns)
{
    for (size_t i = 0; i < count; i++) {
        struct job *job = items[i]->job;
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

static void run_batch(struct lane_thread *self, struct sched *sched, size_t count, bool left_work)
{
    size_t tokens = cost_of_batch(self->items, count), budget = self->budgets[sched->line];
    uint64_t begin = clock_ns();
    lane_run(self->opened[sched->line], self->items, count);
    count_batch(sched, self->items, count, tokens, clock_ns() - begin);
    for (size_t i = 0; i < count; i++)
        job_complete(self->items[i]->job, 1);
    /* Handing answers over is part of what a batch costs: the smaller, the more. */
    uint64_t ns = clock_ns() - begin;
    budget_report(&sched->budget, budget, tokens, ns, left_work);
    queue_spend(self->lanes->queue, sched->line, ns);
}

static void *lane_main(void *argument)
{
    struct lane_thread *self = argument;
    struct lanes *lanes = self->lanes;
    size_t most = lanes->models[0].options.batch_items;
    if (most == 0 || most > MAX_BATCH_ITEMS)
        most = MAX_BATCH_ITEMS;
    for (;;) {
        if (self->process_of >= 0)
            lane_wait(self->opened[self->process_of]);
        for (int i = 0; i < lanes->count; i++)
            self->budgets[i] = self->opened[i] ? budget_now(&lanes->models[i].budget) : 0;
        struct taken taken;
        size_t count = queue_take(lanes->queue, self->budgets, self->items, most, &taken);
        if (count == 0)
            return NULL;
        run_batch(self, &lanes->models[taken.line], count, taken.left_work);
    }
}

/* --- Starting */

static void close_thread(const struct lanes *lanes, struct lane_thread *self)
{
    for (int i = 0; self->opened && i < lanes->count; i++)
        lane_close(self->opened[i]);
    team_stop(self->team);
    free(self->opened);
    free(self->budgets);
}

/* One lane a model that the thread serves. False: what was opened is left to close_thread(). */
static bool open_thread(const struct lanes *lanes, struct lane_thread *self, struct error *err)
{
    self->opened = calloc((size_t)lanes->count, sizeof *self->opened);
    self->budgets = calloc((size_t)lanes->count, sizeof *self->budgets);
    if (!self->opened || !self->budgets)
        return error_set(err, ERR_NO_MEMORY, "no memory for a lane");
    if (self->process_of >= 0) {
        self->opened[self->process_of] = lane_open(lanes->models[self->process_of].engine, 1, err);
        return self->opened[self->process_of] != NULL;
    }
    self->team = team_start(lanes->models[0].options.threads_per_lane, err);
    for (int i = 0; self->team && i < lanes->count; i++) {
        if (engine_workers(lanes->models[i].engine))
            continue;
        self->opened[i] = lane_open_on(lanes->models[i].engine, self->team, err);
        if (!self->opened[i])
            return false;
    }
    return self->team != NULL;
}

static bool start_thread(struct lanes *lanes, struct lane_thread *self, struct error *err)
{
    sigset_t all, before;
    self->lanes = lanes;
    if (!open_thread(lanes, self, err)) {
        close_thread(lanes, self);
        return false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&self->thread, NULL, lane_main, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem == 0)
        return true;
    close_thread(lanes, self);
    return error_set_errno(err, problem, "starting a lane");
}

static void init_model(struct lanes *lanes, int index, struct engine *engine,
                       const struct sched_options *options)
{
    struct sched *sched = &lanes->models[index];
    const struct worker_stats *workers = engine_workers(engine);
    sched->lanes = lanes;
    sched->line = index;
    sched->engine = engine;
    sched->options = *options;
    if (workers) {
        sched->options.lanes = workers->workers;
        sched->options.threads_per_lane = 1;
        sched->options.batch_tokens = options->batch_inputs;
    }
    histogram_init_seconds(&sched->stats.queue);
    histogram_init_seconds(&sched->stats.compute);
    histogram_init_counts(&sched->stats.batch_items);
    histogram_init_counts(&sched->stats.batch_tokens);
    if (sched->options.batch_tokens)
        budget_init_pinned(&sched->budget, sched->options.batch_tokens);
    else
        budget_init_learned(&sched->budget, engine->desc.precision);
}

static bool open_queue(struct lanes *lanes, struct error *err)
{
    struct queue_limits *limits = calloc((size_t)lanes->count, sizeof *limits);
    if (!limits)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d models", lanes->count);
    for (int i = 0; i < lanes->count; i++) {
        const struct sched *sched = &lanes->models[i];
        limits[i] = (struct queue_limits){sched->options.queue_jobs,
                                          sched->options.queue_budgets * budget_now(&sched->budget)};
    }
    lanes->queue = queue_open(limits, lanes->count, err);
    free(limits);
    return lanes->queue != NULL;
}

/* Which threads there are to be: the native engines' together, then one a process. */
static bool plan_threads(struct lanes *lanes, const struct sched_options *options, struct error *err)
{
    int native = 0, processes = 0;
    for (int i = 0; i < lanes->count; i++) {
        if (engine_workers(lanes->models[i].engine))
            processes += lanes->models[i].options.lanes;
        else
            native = options->lanes;
    }
    lanes->thread_count = native + processes;
    if (lanes->thread_count < 1)
        return error_set(err, ERR_INTERNAL, "no lane for %d models", lanes->count);
    lanes->threads = calloc((size_t)lanes->thread_count, sizeof *lanes->threads);
    if (!lanes->threads)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d lanes", lanes->thread_count);
    for (int i = 0; i < native; i++)
        lanes->threads[i] = (struct lane_thread){.process_of = -1};
    for (int i = 0, next = native; i < lanes->count; i++)
        for (int lane = 0; engine_workers(lanes->models[i].engine) && lane < lanes->models[i].options.lanes;
             lane++)
            lanes->threads[next++] = (struct lane_thread){.process_of = i};
    return true;
}

struct lanes *lanes_start(struct engine *const engines[], int count, const struct sched_options *options,
                          struct error *err)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (lanes)
        lanes->models = calloc((size_t)count, sizeof *lanes->models);
    if (!lanes || !lanes->models) {
        free(lanes);
        error_set(err, ERR_NO_MEMORY, "no memory for %d lanes", options->lanes);
        return NULL;
    }
    lanes->count = count;
    for (int i = 0; i < count; i++)
        init_model(lanes, i, engines[i], options);
    bool started = open_queue(lanes, err) && plan_threads(lanes, options, err);
    while (started && lanes->started < lanes->thread_count) {
        started = start_thread(lanes, &lanes->threads[lanes->started], err);
        lanes->started += started;
    }
    if (started)
        return lanes;
    lanes_stop(lanes);
    return NULL;
}

struct sched *lanes_sched(struct lanes *lanes, int index)
{
    return &lanes->models[index];
}

void lanes_stop(struct lanes *lanes)
{
    if (!lanes)
        return;
    if (lanes->queue)
        queue_close(lanes->queue);
    for (int i = 0; i < lanes->started; i++) {
        pthread_join(lanes->threads[i].thread, NULL);
        close_thread(lanes, &lanes->threads[i]);
    }
    queue_free(lanes->queue);
    for (int i = 0; i < lanes->count; i++)
        budget_destroy(&lanes->models[i].budget);
    free(lanes->threads);
    free(lanes->models);
    free(lanes);
}

/* --- A model's place */

double sched_rate(const struct sched *sched)
{
    uint64_t ns = atomic_load(&sched->ns_per_kilotoken);
    return ns ? 1e12 / (double)ns * sched->options.lanes : 0;
}

/* When what waits now will have been computed, at the rate measured lately. */
static void fill_retry(struct sched *sched, struct error *err)
{
    double rate = sched_rate(sched);
    double ms = rate > 0 ? (double)sched_queue(sched).cost / rate * 1e3 : MIN_RETRY_MS;
    err->retry_ms = ms < MIN_RETRY_MS ? MIN_RETRY_MS : ms > MAX_RETRY_MS ? MAX_RETRY_MS : (unsigned)ms;
    atomic_fetch_add(&sched->stats.rejected, 1);
}

bool sched_submit(struct sched *sched, struct job *job, struct error *err)
{
    job->line = sched->line;
    if (queue_push(sched->lanes->queue, job, err))
        return true;
    if (err->kind == ERR_OVERLOADED)
        fill_retry(sched, err);
    else
        err->retry_ms = SHUTDOWN_RETRY_MS;
    return false;
}

bool sched_has_room(struct sched *sched, struct error *err)
{
    if (queue_has_room(sched->lanes->queue, sched->line))
        return true;
    error_set(err, ERR_OVERLOADED, "%zu requests are waiting, the limit is %zu", sched_queue(sched).jobs,
              sched->options.queue_jobs);
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
    return queue_state(sched->lanes->queue, sched->line);
}

struct budget_state sched_budget(struct sched *sched)
{
    return budget_state(&sched->budget);
}

struct engine *sched_engine(const struct sched *sched)
{
    return sched->engine;
}
