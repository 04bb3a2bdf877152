#include "sched/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/stats.h"

struct line {
    struct job *head, *tail; /* the job whose turn is next; the last in turn */
    struct queue_state state;
    size_t charged; /* the sum of charge() over the jobs that wait */
    struct queue_limits limits;
    uint64_t spent_ns; /* lanes' time; never behind floor_ns when work comes */
    uint64_t floor_ns; /* spent_ns of the line that one of its lanes took from last, which had the least */
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool closed;
    int count;
    struct line lines[];
};

struct queue *queue_open(const struct queue_limits limits[], int lines, struct error *err)
{
    struct queue *queue = calloc(1, sizeof *queue + (size_t)lines * sizeof *queue->lines);
    if (!queue) {
        error_set(err, ERR_NO_MEMORY, "no memory for a queue");
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->work, NULL);
    queue->count = lines;
    for (int i = 0; i < lines; i++)
        queue->lines[i].limits = limits[i];
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

static void append(struct line *line, struct job *job)
{
    job->next = NULL;
    job->previous = line->tail;
    if (line->tail)
        line->tail->next = job;
    else
        line->head = job;
    line->tail = job;
}

static void unlink_job(struct line *line, struct job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        line->head = job->next;
    if (job->next)
        job->next->previous = job->previous;
    else
        line->tail = job->previous;
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
static size_t charge(const struct line *line, size_t cost)
{
    return cost < line->limits.cost / 2 ? cost : line->limits.cost / 2;
}

static void change_waiting_cost(struct line *line, struct job *job, size_t cost)
{
    line->charged -= charge(line, job->waiting_cost);
    line->state.cost -= job->waiting_cost;
    job->waiting_cost = cost;
    line->charged += charge(line, cost);
    line->state.cost += cost;
}

/* Unlinks the jobs that nobody waits for any more into a list of their own. */
static struct job *unlink_dead(struct line *line, uint64_t now)
{
    struct job *dead = NULL, *next;
    for (struct job *job = line->head; job; job = next) {
        next = job->next;
        bool cancelled = atomic_load(&job->cancelled);
        if (!cancelled && (job->deadline_ns == 0 || now < job->deadline_ns))
            continue;
        unlink_job(line, job);
        line->state.jobs--;
        line->state.items -= job->count - job->taken;
        *(cancelled ? &line->state.items_cancelled : &line->state.items_expired) += job->count - job->taken;
        change_waiting_cost(line, job, 0);
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

static bool admits(const struct line *line, size_t cost)
{
    return line->state.jobs < line->limits.jobs && line->charged + charge(line, cost) <= line->limits.cost;
}

/* admits(), after letting go of jobs that nobody waits for where they are in the way. They are left in
 * *dead. */
static bool make_room(struct line *line, size_t cost, struct job **dead)
{
    *dead = admits(line, cost) ? NULL : unlink_dead(line, clock_ns());
    return admits(line, cost);
}

/* One lane is enough where each can take from every line. */
static void wake(struct queue *queue)
{
    if (queue->count == 1)
        pthread_cond_signal(&queue->work);
    else
        pthread_cond_broadcast(&queue->work);
}

static bool push_locked(struct queue *queue, struct job *job, size_t cost, struct job **dead,
                        struct error *err)
{
    struct line *line = &queue->lines[job->line];
    if (queue->closed)
        return error_set(err, ERR_SHUTTING_DOWN, "the server is shutting down and takes no new requests");
    if (!make_room(line, cost, dead) && line->state.jobs >= line->limits.jobs)
        return error_set(err, ERR_OVERLOADED, "%zu requests are waiting, the limit is %zu", line->state.jobs,
                         line->limits.jobs);
    if (!admits(line, cost))
        return error_set(err, ERR_OVERLOADED,
                         "%zu tokens or texts are waiting and the request has %zu, the limit is %zu",
                         line->state.cost, cost, line->limits.cost);
    if (!line->head && line->spent_ns < line->floor_ns)
        line->spent_ns = line->floor_ns;
    append(line, job);
    line->state.jobs++;
    line->state.items += job->count;
    change_waiting_cost(line, job, cost);
    wake(queue);
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

bool queue_has_room(struct queue *queue, int index)
{
    struct job *dead = NULL;
    struct line *line = &queue->lines[index];
    pthread_mutex_lock(&queue->lock);
    if (line->state.jobs >= line->limits.jobs)
        dead = unlink_dead(line, clock_ns());
    bool room = line->state.jobs < line->limits.jobs;
    pthread_mutex_unlock(&queue->lock);
    complete_dead(dead);
    return room;
}

struct taking {
    struct line *line;
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
    return !item->batches_by_size ||
           (item->length <= 2 * taking->shortest && taking->longest <= 2 * item->length);
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
        taking->line->state.items--;
        change_waiting_cost(taking->line, job, job->waiting_cost - item->cost);
    }
}

/* Visits each job once, in turn, and sends those that have items left to the end of the line. */
static void take_round(struct taking *taking, size_t share)
{
    struct line *line = taking->line;
    struct job *job = line->head;
    for (size_t visits = line->state.jobs; job && visits > 0 && taking->spent < taking->budget; visits--) {
        struct job *next = job->next;
        size_t before = job->taken;
        take_from(taking, job, share);
        if (job->taken > before) {
            unlink_job(line, job);
            if (job->taken < job->count)
                append(line, job);
            else
                line->state.jobs--;
        }
        job = next;
    }
}

/* The line with work that had the least time, of those with a budget; NULL where none has work. */
static struct line *next_line(struct queue *queue, const size_t budgets[])
{
    struct line *next = NULL;
    for (int i = 0; i < queue->count; i++) {
        struct line *line = &queue->lines[i];
        if (line->head && budgets[i] > 0 && (!next || line->spent_ns < next->spent_ns))
            next = line;
    }
    return next;
}

static struct line *await_line(struct queue *queue, const size_t budgets[])
{
    struct line *line;
    while (!(line = next_line(queue, budgets)) && !queue->closed)
        pthread_cond_wait(&queue->work, &queue->lock);
    return line;
}

/* Of the lines that share lanes with the one taken from: others, of lanes of their own, have another time. */
static void raise_floors(struct queue *queue, const size_t budgets[], uint64_t spent_ns)
{
    for (int i = 0; i < queue->count; i++)
        if (budgets[i] > 0)
            queue->lines[i].floor_ns = spent_ns;
}

/* Takes from the line, after letting go of what nobody waits for. */
static void take_batch(struct taking *taking, struct job **dead)
{
    taking->now = clock_ns();
    *dead = unlink_dead(taking->line, taking->now);
    if (taking->line->state.jobs > 1)
        take_round(taking, taking->budget / 2);
    take_round(taking, taking->budget);
}

size_t queue_take(struct queue *queue, const size_t budgets[], struct item *out[], size_t capacity,
                  struct taken *taken)
{
    struct taking taking = {.out = out, .capacity = capacity};
    for (;;) {
        struct job *dead = NULL;
        pthread_mutex_lock(&queue->lock);
        taking.line = await_line(queue, budgets);
        if (taking.line) {
            taken->line = (int)(taking.line - queue->lines);
            taking.budget = budgets[taken->line];
            raise_floors(queue, budgets, taking.line->spent_ns);
            take_batch(&taking, &dead);
            taken->left_work = taking.line->head != NULL;
        }
        bool over = !taking.line;
        if (next_line(queue, budgets))
            wake(queue);
        pthread_mutex_unlock(&queue->lock);
        complete_dead(dead);
        if (taking.count > 0 || over)
            return taking.count;
    }
}

void queue_spend(struct queue *queue, int line, uint64_t ns)
{
    pthread_mutex_lock(&queue->lock);
    queue->lines[line].spent_ns += ns;
    pthread_mutex_unlock(&queue->lock);
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

struct queue_state queue_state(struct queue *queue, int line)
{
    pthread_mutex_lock(&queue->lock);
    struct queue_state state = queue->lines[line].state;
    pthread_mutex_unlock(&queue->lock);
    return state;
}
