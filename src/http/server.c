#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "http/internal.h"

/* Descriptors for everything that is no connection. */
enum { OTHER_DESCRIPTORS = 256 };

void http_options_default(struct http_options *options)
{
    *options = (struct http_options){
        .host = "127.0.0.1",
        .port = 8080,
        .max_header_bytes = 16384,
        .max_header_fields = 100,
        .max_body_bytes = 2u << 20,
        .max_all_bodies_bytes = 64u << 20,
        .max_connections = 10000,
        .header_ms = 10000,
        .body_ms = 30000,
        .request_ms = 30000,
        .write_ms = 30000,
        .idle_ms = 75000,
        .drain_ms = 30000,
    };
}

/* --- Beginning */

static void raise_descriptor_limit(struct http_server *server)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)server->options.max_connections + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted) {
        limit.rlim_cur = wanted;
    } else {
        limit.rlim_cur = limit.rlim_max;
        log_warn("the system allows %llu open files, too few for %d connections: raise the hard limit "
                 "(ulimit -Hn %llu)",
                 (unsigned long long)limit.rlim_max, server->options.max_connections,
                 (unsigned long long)wanted);
    }
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void choose_id_base(struct http_server *server)
{
    if (getrandom(&server->id_high, sizeof server->id_high, GRND_NONBLOCK) != (ssize_t)sizeof server->id_high)
        server->id_high = (uint64_t)time(NULL) << 32 ^ (uint64_t)getpid();
}

static void on_wake(uv_async_t *wake)
{
    struct http_server *server = wake->data;
    tasks_run(server);
    if (atomic_load(&server->stopping)) {
        server->was_cut_short = true;
        uv_stop(&server->loop);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct http_server *server = handle->data;
    if (server->is_draining) {
        log_warn("a second signal (%s): stopping at once", strsignal(number));
        server->was_cut_short = true;
        uv_stop(&server->loop);
        return;
    }
    http_drain(server);
}

static bool start_handles(struct http_server *server, struct error *err)
{
    uv_loop_t *loop = &server->loop;
    int code = uv_async_init(loop, &server->wake, on_wake);
    if (code == 0)
        code = uv_timer_init(loop, &server->timer);
    if (code == 0)
        code = uv_signal_init(loop, &server->on_sigterm);
    if (code == 0)
        code = uv_signal_init(loop, &server->on_sigint);
    if (code == 0)
        code = uv_signal_start(&server->on_sigterm, on_signal, SIGTERM);
    if (code == 0)
        code = uv_signal_start(&server->on_sigint, on_signal, SIGINT);
    if (code != 0)
        return error_set(err, ERR_IO, "the event loop can't start: %s", uv_strerror(code));
    server->wake.data = server->timer.data = server;
    server->on_sigterm.data = server->on_sigint.data = server;
    accept_start(server);
    return true;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct http_server *server)
{
    uv_walk(&server->loop, close_handle, NULL);
    /* More than one pass only where an uv_stop() was left over. */
    while (uv_loop_close(&server->loop) == UV_EBUSY)
        uv_run(&server->loop, UV_RUN_DEFAULT);
}

struct http_server *http_open(const struct http_options *options, const struct http_handler *handler,
                              struct error *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (!server || uv_loop_init(&server->loop) != 0) {
        free(server);
        error_set(err, ERR_NO_MEMORY, "no memory for the HTTP server");
        return NULL;
    }
    server->options = *options;
    server->handler = *handler;
    server->limits = (struct parse_limits){.head_bytes = options->max_header_bytes,
                                           .fields = options->max_header_fields,
                                           .body_bytes = options->max_body_bytes,
                                           .all_bodies_bytes = options->max_all_bodies_bytes,
                                           .held = &server->held_body_bytes};
    server->listeners[0].fd = server->listeners[1].fd = -1;
    atomic_init(&server->posted, NULL);
    atomic_init(&server->stopping, false);
    deadlines_init(server);
    choose_id_base(server);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit(server);
    if (accept_listen(server, err) && start_handles(server, err))
        return server;
    http_close(server);
    return NULL;
}

int http_port(const struct http_server *server)
{
    return server->port;
}

int http_connections(const struct http_server *server)
{
    return server->connection_count;
}

/* --- Running and ending */

bool http_run(struct http_server *server)
{
    uv_run(&server->loop, UV_RUN_DEFAULT);
    while (server->connections)
        connection_close(server->connections);
    accept_stop(server);
    return !server->was_cut_short;
}

void http_drain(struct http_server *server)
{
    if (server->is_draining)
        return;
    server->handler.on_drain(server->handler.context);
    accept_all(server);
    accept_stop(server);
    server->is_draining = true;
    for (struct connection *connection = server->connections; connection; connection = connection->next) {
        if (connection->state == CONNECTION_IDLE)
            connection_enter(connection, CONNECTION_IDLE);
    }
    deadline_start(server, DEADLINE_DRAIN, &server->drain_deadline);
    if (server->connection_count == 0)
        uv_stop(&server->loop);
}

void server_connection_closed(struct http_server *server)
{
    if (server->is_draining && server->connection_count == 0)
        uv_stop(&server->loop);
}

void server_expired_drain(struct http_server *server, struct deadline *deadline)
{
    (void)deadline;
    log_warn("%d connections were still open after %u ms of draining", server->connection_count,
             server->options.drain_ms);
    uv_stop(&server->loop);
}

void http_stop(struct http_server *server)
{
    atomic_store(&server->stopping, true);
    uv_async_send(&server->wake);
}

void http_close(struct http_server *server)
{
    if (!server)
        return;
    while (server->connections)
        connection_close(server->connections);
    accept_stop(server);
    close_loop(server);
    tasks_run(server);
    exchange_free_spares(server);
    buf_free(&server->head);
    free(server);
}
