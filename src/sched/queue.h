/* Token-budget batching.
 *
 * A queue holds jobs whose items wait for a lane, in one line a model: a batch is of one line. queue_take()
 * hands a lane the oldest items whose costs fit its budget, one job after the other in turn; while others
 * wait, a job gets at most half the budget, so that a job of many items delays nobody by more than half a
 * batch. There is no timer: a free lane takes what is there.
 *
 * Between lines the one goes first that has had the least of the lanes' time, so that each model that has
 * work gets an equal share of it, whatever its batches take. A line that had no work for a while has saved up
 * nothing. Lines that no lane shares (those with a budget in the same queue_take()) have nothing to do with
 * each other.
 *
 * Threads: push from any thread; take from lanes; close once. All three may run at the same time.
 *
 * Ownership: the queue only links a job, and has unlinked it before the last of its items is returned or
 * dropped.
 */
#ifndef LINNET_SCHED_QUEUE_H
#define LINNET_SCHED_QUEUE_H

#include "engine/engine.h"

struct queue;

/* What may wait in a line: jobs past `jobs`, or past `cost` tokens, are refused. One job counts for at most
 * half of `cost`: a larger one is taken all the same, and leaves room for others. */
struct queue_limits {
    size_t jobs, cost;
};

/* A queue of `lines` lines (at least 1) with a limit each. NULL: ERR_NO_MEMORY. */
struct queue *queue_open(const struct queue_limits limits[], int lines, struct error *err);
void queue_free(struct queue *queue); /* closed and empty, without takers; NULL is fine */

/* Appends a job of at least one item to the line job->line, or refuses all of it with ERR_OVERLOADED
 * (retry_ms is the caller's to fill) or, after queue_close(), ERR_SHUTTING_DOWN. */
bool queue_push(struct queue *queue, struct job *job, struct error *err);

/* Whether a line has room for one more job as far as their number goes, to be asked before the work of making
 * one. Like queue_push() it completes dropped jobs where they are in the way, so job->done() may be called on
 * the asking thread. */
bool queue_has_room(struct queue *queue, int line);

/* What queue_take() took from. */
struct taken {
    int line;
    bool left_work; /* the budget left items waiting in that line */
};

/* Waits for work in the lines whose budget is not 0, then fills out[0..n) with items of one of them, of at
 * most budgets[line] tokens in all (a single larger one comes alone). Items come only with others of the
 * same key, and of similar length where they want that (engine.h). Items of cancelled jobs and of jobs past
 * their deadline are completed with ERR_CANCELLED / ERR_DEADLINE by job_complete() and not returned. Returns
 * n, or 0 when the queue is closed and these lines are empty. */
size_t queue_take(struct queue *queue, const size_t budgets[], struct item *out[], size_t capacity,
                  struct taken *taken);

/* Tells how long a lane worked on what it took from a line. */
void queue_spend(struct queue *queue, int line, uint64_t ns);

/* No more jobs; what waits is still handed out. */
void queue_close(struct queue *queue);

struct queue_state {
    size_t jobs, items, cost;                /* waiting */
    uint64_t items_expired, items_cancelled; /* dropped so far */
};
struct queue_state queue_state(struct queue *queue, int line);

/* Counts `count` items of a job as finished; the last one calls job->done(), after which the job may be
 * gone. */
void job_complete(struct job *job, size_t count);

#endif
