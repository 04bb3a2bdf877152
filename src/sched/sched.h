/* The scheduler: lanes that take batches from one queue and run them on the engines of one or several models.
 *
 * `struct lanes` is what all models share: the threads, each with a team that all native engines use, and the
 * queue. `struct sched` is one model's place there: its line in the queue, its budget, its figures. An engine
 * with processes of its own (Python) brings lanes of its own, one a process, for they only wait.
 *
 * Threads: sched_submit(), sched_has_room() and the getters from any thread; start and stop from one.
 * A job completes through its done() callback, on a lane's thread.
 */
#ifndef LINNET_SCHED_SCHED_H
#define LINNET_SCHED_SCHED_H

#include "base/stats.h"
#include "engine/engine.h"
#include "sched/budget.h"
#include "sched/queue.h"

struct lanes;
struct sched;

struct sched_options {
    int lanes, threads_per_lane;
    size_t batch_tokens;  /* budget of a batch; 0: learned from what batches cost (budget.h) */
    size_t batch_inputs;  /* the same of engines with processes of their own, where an input costs 1 */
    size_t batch_items;   /* in a batch, at most 4096; 0: as many as fit the budget */
    size_t queue_jobs;    /* requests of a model that may wait */
    size_t queue_budgets; /* batches of tokens that may wait, of the budget that the server starts with */
};

/* For `cores` cores: lanes of at most 8 threads each, as few as that takes; a learned budget, or 8 inputs;
 * 512 requests and 64 budgets waiting. */
void sched_options_default(struct sched_options *options, int cores);

struct sched_stats {
    struct histogram queue;   /* seconds from submission to the first item's batch, a job */
    struct histogram compute; /* seconds a batch */
    struct histogram batch_items, batch_tokens;
    atomic_ullong tokens, batches, rejected; /* rejected: requests */
};

/* Starts the lanes' threads for `count` models (at least 1), whose engines must outlive them. NULL:
 * ERR_NO_MEMORY, ERR_IO. */
struct lanes *lanes_start(struct engine *const engines[], int count, const struct sched_options *options,
                          struct error *err);

/* Of engines[index]; lives as long as the lanes. */
struct sched *lanes_sched(struct lanes *lanes, int index);

/* Takes no more jobs, completes what waits, ends the lanes. NULL is fine. */
void lanes_stop(struct lanes *lanes);

/* Hands a job over, to be completed through job->done(); it may be gone before this returns. False: nothing
 * was taken; ERR_OVERLOADED with retry_ms, ERR_SHUTTING_DOWN. */
bool sched_submit(struct sched *sched, struct job *job, struct error *err);

/* Refuses with ERR_OVERLOADED what sched_submit() would refuse for the number of requests alone: to be asked
 * before a request is parsed. */
bool sched_has_room(struct sched *sched, struct error *err);

const struct sched_stats *sched_stats(const struct sched *sched);
/* As started, with the lanes, the threads and the pinned budget that this model has. */
const struct sched_options *sched_options(const struct sched *sched);
struct queue_state sched_queue(struct sched *sched);
struct budget_state sched_budget(struct sched *sched);
struct engine *sched_engine(const struct sched *sched);

/* Tokens a second that all lanes together compute of this model, as measured lately; 0 before the first
 * batch. */
double sched_rate(const struct sched *sched);

#endif
