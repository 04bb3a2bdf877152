/* Token-budget batching.
 *
 * A queue holds jobs whose items wait for a lane. queue_take() hands a lane the oldest items whose costs fit
 * its budget, one job after the other in turn; while others wait, a job gets at most half the budget, so that
 * a job of many items delays nobody by more than half a batch. There is no timer: a free lane takes what is
 * there.
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

/* Refuses jobs past `max_jobs` waiting, or past `max_cost` waiting tokens, of which one job counts for at
 * most half: a larger one is taken all the same, and leaves room for others. NULL: ERR_NO_MEMORY. */
struct queue *queue_open(size_t max_jobs, size_t max_cost, struct error *err);
void queue_free(struct queue *queue); /* closed and empty, without takers; NULL is fine */

/* Appends a job of at least one item, or refuses all of it with ERR_OVERLOADED (retry_ms is the caller's to
 * fill) or, after queue_close(), ERR_SHUTTING_DOWN. */
bool queue_push(struct queue *queue, struct job *job, struct error *err);

/* Whether there is room for one more job as far as their number goes, to be asked before the work of making
 * one. Like queue_push() it completes dropped jobs where they are in the way, so job->done() may be called on
 * the asking thread. */
bool queue_has_room(struct queue *queue);

/* Waits for work, then fills out[0..n) with items of at most `budget` tokens in all (a single larger one
 * comes alone). Items with a key come only with others of that key and similar length (engine.h). Items of
 * cancelled jobs and of jobs past their deadline are completed with ERR_CANCELLED / ERR_DEADLINE by
 * job_complete() and not returned. Returns n, or 0 when the queue is closed and empty. */
size_t queue_take(struct queue *queue, size_t budget, struct item *out[], size_t capacity);

/* No more jobs; what waits is still handed out. */
void queue_close(struct queue *queue);

struct queue_state {
    size_t jobs, items, cost;                /* waiting */
    uint64_t items_expired, items_cancelled; /* dropped so far */
};
struct queue_state queue_state(struct queue *queue);

/* Counts `count` items of a job as finished; the last one calls job->done(), after which the job may be
 * gone. */
void job_complete(struct job *job, size_t count);

#endif
