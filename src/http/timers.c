#include "http/internal.h"

enum {
    LINGER_MS = 1000,
    DRAIN_IDLE_MS = 1000,
    /* Most answers come within this, so most clients that only shut their sending side are never asked. */
    PROBE_MS = 200,
    ACCEPT_AGAIN_MS = 100,
    /* Deadlines come due together where they are closer than this. */
    COARSE_MS = 10,
};

static void on_timer(uv_timer_t *timer);

static void arm(struct http_server *server, uint64_t due)
{
    uint64_t now = uv_now(&server->loop);
    uint64_t wait = due > now + COARSE_MS ? due - now : COARSE_MS;
    server->timer_due = now + wait;
    uv_timer_start(&server->timer, on_timer, wait, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now = uv_now(&server->loop);
    uint64_t next = UINT64_MAX;
    server->timer_due = UINT64_MAX;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct deadline_list *list = &server->deadlines[kind];
        struct deadline *first;
        while ((first = list->head.next) != &list->head && first->due <= now) {
            deadline_stop(first);
            list->expired(server, first);
        }
    }
    /* Apart from the loop above, which may start deadlines of any kind. */
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct deadline_list *list = &server->deadlines[kind];
        if (list->head.next != &list->head && list->head.next->due < next)
            next = list->head.next->due;
    }
    if (next < server->timer_due)
        arm(server, next);
}

void deadlines_init(struct http_server *server)
{
    const struct http_options *options = &server->options;
    const struct deadline_list lists[DEADLINE_KINDS] = {
        [DEADLINE_IDLE] = {.ms = options->idle_ms, .expired = connection_expired_idle},
        [DEADLINE_HEAD] = {.ms = options->header_ms, .expired = connection_expired_reading},
        [DEADLINE_BODY] = {.ms = options->body_ms, .expired = connection_expired_reading},
        [DEADLINE_REQUEST] = {.ms = options->request_ms, .expired = connection_expired_request},
        [DEADLINE_WRITE] = {.ms = options->write_ms, .expired = connection_expired_write},
        [DEADLINE_LINGER] = {.ms = LINGER_MS, .expired = connection_expired_linger},
        [DEADLINE_PROBE] = {.ms = PROBE_MS, .expired = connection_expired_probe},
        [DEADLINE_DRAIN_IDLE] = {.ms = DRAIN_IDLE_MS, .expired = connection_expired_idle},
        [DEADLINE_DRAIN] = {.ms = options->drain_ms, .expired = server_expired_drain},
        [DEADLINE_ACCEPT_AGAIN] = {.ms = ACCEPT_AGAIN_MS, .expired = accept_expired},
    };
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct deadline_list *list = &server->deadlines[kind];
        *list = lists[kind];
        list->head.next = list->head.previous = &list->head;
    }
    server->timer_due = UINT64_MAX;
}

void deadline_start(struct http_server *server, enum deadline_kind kind, struct deadline *deadline)
{
    struct deadline_list *list = &server->deadlines[kind];
    deadline_stop(deadline);
    if (list->ms == 0)
        return;
    deadline->due = uv_now(&server->loop) + (uint64_t)list->ms;
    deadline->next = &list->head;
    deadline->previous = list->head.previous;
    deadline->previous->next = deadline;
    list->head.previous = deadline;
    if (deadline->due < server->timer_due)
        arm(server, deadline->due);
}

void deadline_stop(struct deadline *deadline)
{
    if (!deadline->next)
        return;
    deadline->previous->next = deadline->next;
    deadline->next->previous = deadline->previous;
    deadline->next = deadline->previous = NULL;
}
