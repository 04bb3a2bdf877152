/* The scheduler: lanes that take batches from one queue and run them on one engine.
 *
 * Threads: sched_submit(), sched_has_room() and the getters from any thread; start and stop from one.
 * A job completes through its done() callback, on a lane's thread.
 */
#ifndef LINNET_SCHED_SCHED_H
#define LINNET_SCHED_SCHED_H

#include "base/stats.h"
#include "engine/engine.h"
#include "sched/queue.h"

struct sched;

struct sched_options {
    int lanes, threads_per_lane;
    size_t batch_tokens;  /* budget of a batch */
    size_t queue_jobs;    /* requests that may wait */
    size_t queue_budgets; /* batches of tokens that may wait */
};

/* For `cores` cores: lanes of at most 8 threads, 256 tokens a batch (fp32), 512 requests and 64 budgets
 * waiting. */
void sched_options_default(struct sched_options *options, int cores);

struct sched_stats {
    struct histogram queue;   /* seconds from submission to the first item's batch, a job */
    struct histogram compute; /* seconds a batch */
    struct histogram batch_items, batch_tokens;
    atomic_ullong tokens, batches, rejected; /* rejected: requests */
};

/* Starts the lanes' threads. The engine must outlive the scheduler. NULL: ERR_NO_MEMORY, ERR_IO. */
struct sched *sched_start(struct engine *engine, const struct sched_options *options, struct error *err);

/* Takes no more jobs, completes what waits, ends the lanes. NULL is fine. */
void sched_stop(struct sched *sched);

/* Hands a job over, to be completed through job->done(); it may be gone before this returns. False: nothing
 * was taken; ERR_OVERLOADED with retry_ms, ERR_SHUTTING_DOWN. */
bool sched_submit(struct sched *sched, struct job *job, struct error *err);

/* Refuses with ERR_OVERLOADED what sched_submit() would refuse for the number of requests alone: to be asked
 * before a request is parsed. */
bool sched_has_room(struct sched *sched, struct error *err);

const struct sched_stats *sched_stats(const struct sched *sched);
const struct sched_options *sched_options(const struct sched *sched);
struct queue_state sched_queue(struct sched *sched);
struct engine *sched_engine(const struct sched *sched);

/* Tokens a second that all lanes together compute, as measured lately; 0 before the first batch. */
double sched_rate(const struct sched *sched);

#endif
