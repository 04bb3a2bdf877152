#include "sched/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/stats.h"

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *head, *tail; /* the job whose turn is next; the last in turn */
    struct queue_state state;
    size_t charged; /* the sum of charge() over the jobs that wait */
    size_t max_jobs, max_cost;
    bool closed;
};

struct queue *queue_open(size_t max_jobs, size_t max_cost, struct error *err)
{
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        error_set(err, ERR_NO_MEMORY, "no memory for a queue");
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->work, NULL);
    queue->max_jobs = max_jobs;
    queue->max_cost = max_cost;
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->work);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

void job_complete(struct job *job, size_t count)
{
    if (atomic_fetch_sub(&job->remaining, count) == count)
        job->done(job);
}

static void append(struct queue *queue, struct job *job)
{
    job->next = NULL;
    job->previous = queue->tail;
    if (queue->tail)
        queue->tail->next = job;
    else
        queue->head = job;
    queue->tail = job;
}

static void unlink_job(struct queue *queue, struct job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        queue->head = job->next;
    if (job->next)
        job->next->previous = job->previous;
    else
        queue->tail = job->previous;
}

static size_t cost_of(const struct job *job)
{
    size_t cost = 0;
    for (size_t i = 0; i < job->count; i++)
        cost += job->items[i].cost;
    return cost;
}

/* What a job counts for in admission: at most half of the limit, so that one large job, which takes turns
 * with the others anyway, does not lock them out. */
static size_t charge(const struct queue *queue, size_t cost)
{
    return cost < queue->max_cost / 2 ? cost : queue->max_cost / 2;
}

static void change_waiting_cost(struct queue *queue, struct job *job, size_t cost)
{
    queue->charged -= charge(queue, job->waiting_cost);
    queue->state.cost -= job->waiting_cost;
    job->waiting_cost = cost;
    queue->charged += charge(queue, cost);
    queue->state.cost += cost;
}

/* Unlinks the jobs that nobody waits for any more into a list of their own. */
static struct job *unlink_dead(struct queue *queue, uint64_t now)
{
    struct job *dead = NULL, *next;
    for (struct job *job = queue->head; job; job = next) {
        next = job->next;
        bool cancelled = atomic_load(&job->cancelled);
        if (!cancelled && (job->deadline_ns == 0 || now < job->deadline_ns))
            continue;
        unlink_job(queue, job);
        queue->state.jobs--;
        queue->state.items -= job->count - job->taken;
        *(cancelled ? &queue->state.items_cancelled : &queue->state.items_expired) += job->count - job->taken;
        change_waiting_cost(queue, job, 0);
        for (size_t i = job->taken; i < job->count; i++)
            job->items[i].error = cancelled ? ERR_CANCELLED : ERR_DEADLINE;
        job->next = dead;
        dead = job;
    }
    return dead;
}

static void complete_dead(struct job *dead)
{
    while (dead) {
        struct job *next = dead->next;
        job_complete(dead, dead->count - dead->taken);
        dead = next;
    }
}

static bool admits(const struct queue *queue, size_t cost)
{
    return queue->state.jobs < queue->max_jobs && queue->charged + charge(queue, cost) <= queue->max_cost;
}

/* admits(), after letting go of jobs that nobody waits for where they are in the way. They are left in
 * *dead. */
static bool make_room(struct queue *queue, size_t cost, struct job **dead)
{
    *dead = admits(queue, cost) ? NULL : unlink_dead(queue, clock_ns());
    return admits(queue, cost);
}

static bool push_locked(struct queue *queue, struct job *job, size_t cost, struct job **dead,
                        struct error *err)
{
    if (queue->closed)
        return error_set(err, ERR_SHUTTING_DOWN, "the server is shutting down and takes no new requests");
    if (!make_room(queue, cost, dead) && queue->state.jobs >= queue->max_jobs)
        return error_set(err, ERR_OVERLOADED, "%zu requests are waiting, the limit is %zu", queue->state.jobs,
                         queue->max_jobs);
    if (!admits(queue, cost))
        return error_set(err, ERR_OVERLOADED,
                         "%zu tokens or texts are waiting and the request has %zu, the limit is %zu",
                         queue->state.cost, cost, queue->max_cost);
    append(queue, job);
    queue->state.jobs++;
    queue->state.items += job->count;
    change_waiting_cost(queue, job, cost);
    pthread_cond_signal(&queue->work);
    return true;
}

bool queue_push(struct queue *queue, struct job *job, struct error *err)
{
    struct job *dead = NULL;
    size_t cost = cost_of(job);
    job->taken = job->waiting_cost = 0;
    job->queued_ns = clock_ns();
    atomic_init(&job->remaining, job->count);
    atomic_init(&job->queue_ns, 0);
    atomic_init(&job->compute_ns, 0);
    pthread_mutex_lock(&queue->lock);
    bool pushed = push_locked(queue, job, cost, &dead, err);
    pthread_mutex_unlock(&queue->lock);
    complete_dead(dead);
    return pushed;
}

bool queue_has_room(struct queue *queue)
{
    struct job *dead = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->state.jobs >= queue->max_jobs)
        dead = unlink_dead(queue, clock_ns());
    bool room = queue->state.jobs < queue->max_jobs;
    pthread_mutex_unlock(&queue->lock);
    complete_dead(dead);
    return room;
}

struct taking {
    struct queue *queue;
    size_t budget, spent;
    struct item **out;
    size_t count, capacity;
    size_t shortest, longest; /* lengths in the batch */
    uint64_t now;
};

/* May share the batch with its first item. */
static bool goes_along(const struct taking *taking, const struct item *item)
{
    const struct item *first = taking->out[0];
    if (item->key != first->key)
        return false;
    return item->key == 0 || (item->length <= 2 * taking->shortest && taking->longest <= 2 * item->length);
}

/* Takes items of one job while they fit the budget and the job's share of it. */
static void take_from(struct taking *taking, struct job *job, size_t share)
{
    size_t job_spent = 0;
    while (job->taken < job->count && taking->count < taking->capacity) {
        struct item *item = &job->items[job->taken];
        bool alone = taking->count == 0;
        if (!alone && (taking->spent + item->cost > taking->budget || job_spent + item->cost > share ||
                       !goes_along(taking, item)))
            return;
        if (job->taken == 0)
            atomic_store(&job->queue_ns, taking->now - job->queued_ns);
        job->taken++;
        job_spent += item->cost;
        taking->spent += item->cost;
        taking->out[taking->count++] = item;
        if (alone || item->length < taking->shortest)
            taking->shortest = item->length;
        if (alone || item->length > taking->longest)
            taking->longest = item->length;
        taking->queue->state.items--;
        change_waiting_cost(taking->queue, job, job->waiting_cost - item->cost);
    }
}

/* Visits each job once, in turn, and sends those that have items left to the end of the line. */
static void take_round(struct taking *taking, size_t share)
{
    struct queue *queue = taking->queue;
    struct job *job = queue->head;
    for (size_t visits = queue->state.jobs; job && visits > 0 && taking->spent < taking->budget; visits--) {
        struct job *next = job->next;
        size_t before = job->taken;
        take_from(taking, job, share);
        if (job->taken > before) {
            unlink_job(queue, job);
            if (job->taken < job->count)
                append(queue, job);
            else
                queue->state.jobs--;
        }
        job = next;
    }
}

size_t queue_take(struct queue *queue, size_t budget, struct item *out[], size_t capacity)
{
    struct taking taking = {.queue = queue, .budget = budget, .out = out, .capacity = capacity};
    for (;;) {
        pthread_mutex_lock(&queue->lock);
        while (!queue->head && !queue->closed)
            pthread_cond_wait(&queue->work, &queue->lock);
        taking.now = clock_ns();
        struct job *dead = unlink_dead(queue, taking.now);
        if (queue->state.jobs > 1)
            take_round(&taking, budget / 2);
        take_round(&taking, budget);
        bool over = queue->closed && !queue->head;
        if (queue->head)
            pthread_cond_signal(&queue->work);
        pthread_mutex_unlock(&queue->lock);
        complete_dead(dead);
        if (taking.count > 0 || over)
            return taking.count;
    }
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

struct queue_state queue_state(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct queue_state state = queue->state;
    pthread_mutex_unlock(&queue->lock);
    return state;
}
