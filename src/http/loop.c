/* Work that enters the loop from other threads, and work that leaves it for a while. */
#include <stdlib.h>

#include "http/internal.h"

void http_post(struct http_server *server, struct http_task *task)
{
    struct http_task *newest = atomic_load_explicit(&server->posted, memory_order_relaxed);
    do {
        task->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&server->posted, &newest, task, memory_order_release,
                                                    memory_order_relaxed));
    /* Whoever posted first to an empty list wakes the loop for all that follow. */
    if (!newest)
        uv_async_send(&server->wake);
}

void tasks_run(struct http_server *server)
{
    struct http_task *newest = atomic_exchange_explicit(&server->posted, NULL, memory_order_acquire);
    struct http_task *oldest = NULL;
    while (newest) {
        struct http_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct http_task *next = oldest->next;
        oldest->run(oldest);
        oldest = next;
    }
}

/* As libuv reads it (src/threadpool.c). */
int http_helpers(void)
{
    enum { USUAL = 4, MOST = 1024 };
    const char *text = getenv("UV_THREADPOOL_SIZE");
    int count = text ? atoi(text) : USUAL;
    return count < 1 ? 1 : count > MOST ? MOST : count;
}

struct offloaded {
    uv_work_t work;
    struct http_job *job;
};

static void on_work(uv_work_t *work)
{
    struct offloaded *offloaded = container_of(work, struct offloaded, work);
    offloaded->job->work(offloaded->job);
}

static void after_work(uv_work_t *work, int status)
{
    (void)status;
    struct offloaded *offloaded = container_of(work, struct offloaded, work);
    struct http_job *job = offloaded->job;
    free(offloaded);
    job->done(job);
}

bool http_offload(struct http_server *server, struct http_job *job)
{
    struct offloaded *offloaded = malloc(sizeof *offloaded);
    if (!offloaded)
        return false;
    offloaded->job = job;
    if (uv_queue_work(&server->loop, &offloaded->work, on_work, after_work) == 0)
        return true;
    free(offloaded);
    return false;
}
