/* A server on http.h alone for the tests of this folder: fixed answers, late answers, large ones, and
 * counters.
 *
 *   POST /age            {"inputs": ...} -> one fixed label and score, after checking type and shape
 *   POST /echo           the body, as it came
 *   GET  /request        method, path, query and the X-Test field, a line each
 *   GET  /slow?ms=N      answers after N ms, from a thread, by http_post()
 *   GET  /never          does not answer before the deadline
 *   GET  /large?bytes=N  N bytes
 *   GET  /offload        answers after http_offload()
 *   GET  /health         200, or 503 while draining
 *   GET  /metrics        a Prometheus text
 *   GET  /counters       JSON: exchanges begun, ended, ended without an answer, answers, open connections
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/log.h"
#include "http/http.h"

struct echo {
    struct http_server *server;
    bool is_draining;
    unsigned long begun, ended, left, answers;
    atomic_int sleepers; /* threads that have yet to post */
};

/* A request that is answered later. The thread and the exchange each may go first. */
struct later {
    struct http_task task;
    struct http_job job;
    struct echo *echo;
    struct http_exchange *x; /* NULL: the client has left, or got another answer */
    unsigned ms;
};

static void respond_text(struct http_exchange *x, int status, const char *type, const char *text)
{
    struct buf body;
    buf_init(&body);
    buf_puts(&body, text);
    http_respond(x, status, type, NULL, 0, &body);
}

static const char *render_error(void *context, struct http_exchange *x, int status, const char *message,
                                struct buf *body)
{
    (void)context;
    (void)x;
    (void)status;
    buf_puts(body, "{\"error\":");
    json_put_string(body, message, strlen(message));
    buf_puts(body, ",\"error_type\":\"http\"}");
    return "application/json";
}

static void respond_error(struct http_exchange *x, int status, const char *message)
{
    struct buf body;
    buf_init(&body);
    const char *type = render_error(NULL, x, status, message, &body);
    http_respond(x, status, type, NULL, 0, &body);
}

static void respond_allow(struct http_exchange *x, const char *methods)
{
    const struct http_response_field allow = {"Allow", methods};
    struct buf body;
    buf_init(&body);
    const char *type = render_error(NULL, x, 405, "another method is right here", &body);
    http_respond(x, 405, type, &allow, 1, &body);
}

static bool is_path(const struct http_exchange *x, const char *path)
{
    return strcmp(http_path(x), path) == 0;
}

static unsigned long number_after(const struct http_exchange *x, const char *key)
{
    const char *at = strstr(http_query(x), key);
    return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

static bool on_head(void *context, struct http_exchange *x)
{
    struct echo *echo = context;
    echo->begun++;
    http_set_user(x, NULL);
    if (is_path(x, "/age")) {
        const char *type = http_field(x, "Content-Type");
        if (strcmp(http_method(x), "POST") != 0)
            respond_allow(x, "POST");
        else if (type && strncmp(type, "application/json", 16) != 0)
            respond_error(x, 415, "send Content-Type: application/json");
        else
            return true;
        return false;
    }
    static const char *const known[] = {"/echo",    "/request", "/slow",    "/never",   "/large",
                                        "/offload", "/health",  "/metrics", "/counters"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (is_path(x, known[i]))
            return true;
    }
    respond_error(x, 404, "no such path");
    return false;
}

static void answer_age(struct http_exchange *x)
{
    struct error err;
    struct blob body = http_body(x);
    struct arena arena;
    arena_init(&arena, 0, 1 << 20);
    yyjson_doc *json = json_read((const char *)body.bytes, body.size, 32, &arena, &err);
    if (!json)
        respond_error(x, 400, err.message);
    else if (!yyjson_obj_get(yyjson_doc_get_root(json), "inputs"))
        respond_error(x, 422, "inputs is missing");
    else
        respond_text(x, 200, "application/json", "[{\"label\":\"POSITIVE\",\"score\":0.99}]");
    arena_free(&arena);
}

static void answer_echo(struct http_exchange *x)
{
    struct blob bytes = http_body(x);
    struct buf body;
    buf_init(&body);
    buf_append(&body, bytes.bytes, bytes.size);
    http_respond(x, 200, "application/octet-stream", NULL, 0, &body);
}

static void answer_request(struct http_exchange *x)
{
    const char *field = http_field(x, "x-test");
    struct buf body;
    buf_init(&body);
    buf_printf(&body, "%s\n%s\n%s\n%s\n", http_method(x), http_path(x), http_query(x), field ? field : "-");
    http_respond(x, 200, "text/plain", NULL, 0, &body);
}

static void answer_large(struct http_exchange *x)
{
    size_t bytes = number_after(x, "bytes=");
    struct buf body;
    buf_init(&body);
    if (buf_reserve(&body, bytes)) {
        for (size_t i = 0; i < bytes; i++)
            body.bytes[i] = (char)('a' + i % 26);
        body.bytes[bytes] = '\0';
        body.length = bytes;
    }
    http_respond(x, 200, "text/plain", NULL, 0, &body);
}

static void answer_counters(const struct echo *echo, struct http_exchange *x)
{
    struct buf body;
    buf_init(&body);
    buf_printf(&body, "{\"begun\":%lu,\"ended\":%lu,\"left\":%lu,\"answers\":%lu,\"connections\":%d}",
               echo->begun, echo->ended, echo->left, echo->answers, http_connections(echo->server));
    http_respond(x, 200, "application/json", NULL, 0, &body);
}

static void finish_later(struct http_task *task)
{
    struct later *later = (struct later *)(void *)((char *)task - offsetof(struct later, task));
    if (later->x) {
        http_set_user(later->x, NULL);
        respond_text(later->x, 200, "text/plain", "late\n");
    }
    free(later);
}

static void *sleep_then_post(void *argument)
{
    struct later *later = argument;
    struct timespec pause = {.tv_sec = later->ms / 1000, .tv_nsec = (long)(later->ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    struct echo *echo = later->echo;
    http_post(echo->server, &later->task);
    atomic_fetch_sub(&echo->sleepers, 1);
    return NULL;
}

static struct later *begin_later(struct echo *echo, struct http_exchange *x)
{
    struct later *later = calloc(1, sizeof *later);
    if (later) {
        later->task.run = finish_later;
        later->echo = echo;
        later->x = x;
        http_set_user(x, later);
    } else {
        respond_error(x, 503, "no memory");
    }
    return later;
}

static void answer_slow(struct echo *echo, struct http_exchange *x)
{
    struct later *later = begin_later(echo, x);
    pthread_t thread;
    if (!later)
        return;
    later->ms = (unsigned)number_after(x, "ms=");
    atomic_fetch_add(&echo->sleepers, 1);
    if (pthread_create(&thread, NULL, sleep_then_post, later) == 0) {
        pthread_detach(thread);
    } else {
        atomic_fetch_sub(&echo->sleepers, 1);
        finish_later(&later->task);
    }
}

static void work(struct http_job *job)
{
    struct later *later = (struct later *)(void *)((char *)job - offsetof(struct later, job));
    later->ms = 1;
}

static void work_done(struct http_job *job)
{
    struct later *later = (struct later *)(void *)((char *)job - offsetof(struct later, job));
    finish_later(&later->task);
}

static void answer_work(struct echo *echo, struct http_exchange *x)
{
    struct later *later = begin_later(echo, x);
    if (!later)
        return;
    later->job = (struct http_job){.work = work, .done = work_done};
    if (!http_offload(echo->server, &later->job))
        finish_later(&later->task);
}

static void on_request(void *context, struct http_exchange *x)
{
    struct echo *echo = context;
    if (is_path(x, "/age"))
        answer_age(x);
    else if (is_path(x, "/echo"))
        answer_echo(x);
    else if (is_path(x, "/request"))
        answer_request(x);
    else if (is_path(x, "/slow"))
        answer_slow(echo, x);
    else if (is_path(x, "/large"))
        answer_large(x);
    else if (is_path(x, "/offload"))
        answer_work(echo, x);
    else if (is_path(x, "/health"))
        respond_text(x, echo->is_draining ? 503 : 200, "text/plain",
                     echo->is_draining ? "draining\n" : "ok\n");
    else if (is_path(x, "/metrics"))
        respond_text(x, 200, "text/plain; version=0.0.4", "# TYPE echo_up gauge\necho_up 1\n");
    else if (is_path(x, "/counters"))
        answer_counters(echo, x);
}

static void forget_later(struct http_exchange *x)
{
    struct later *later = http_user(x);
    if (later)
        later->x = NULL;
    http_set_user(x, NULL);
}

static void on_deadline(void *context, struct http_exchange *x)
{
    (void)context;
    forget_later(x);
    respond_error(x, 504, "too late");
}

static void on_end(void *context, struct http_exchange *x)
{
    struct echo *echo = context;
    echo->ended++;
    if (http_user(x))
        echo->left++;
    forget_later(x);
}

static void on_answer(void *context, struct http_exchange *x, int status, uint64_t duration_ns)
{
    struct echo *echo = context;
    (void)x;
    (void)status;
    (void)duration_ns;
    echo->answers++;
}

static void on_drain(void *context)
{
    struct echo *echo = context;
    echo->is_draining = true;
}

static void allow_origin(struct http_options *options, const char *origin)
{
    static const char *origins[1];
    origins[0] = origin;
    options->cors_origins = origins;
    options->cors_origin_count = 1;
}

static bool set_option(struct http_options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        int *value;
    } times[] = {
        {"--header-ms", &options->header_ms},   {"--body-ms", &options->body_ms},
        {"--request-ms", &options->request_ms}, {"--write-ms", &options->write_ms},
        {"--idle-ms", &options->idle_ms},       {"--drain-ms", &options->drain_ms},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (strcmp(name, times[i].name) == 0) {
            *times[i].value = atoi(value);
            return true;
        }
    }
    if (strcmp(name, "--host") == 0)
        options->host = value;
    else if (strcmp(name, "--port") == 0)
        options->port = atoi(value);
    else if (strcmp(name, "--max-header-bytes") == 0)
        options->max_header_bytes = strtoul(value, NULL, 10);
    else if (strcmp(name, "--max-body-bytes") == 0)
        options->max_body_bytes = strtoul(value, NULL, 10);
    else if (strcmp(name, "--max-connections") == 0)
        options->max_connections = atoi(value);
    else if (strcmp(name, "--cors-origin") == 0)
        allow_origin(options, value);
    else if (strcmp(name, "--access-log") == 0)
        options->access_log = strcmp(value, "on") == 0;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct echo echo = {0};
    struct error err;
    struct http_options options;
    http_options_default(&options);
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !set_option(&options, argv[i], argv[i + 1])) {
            fprintf(stderr, "unknown option, or one without a value: %s\n", argv[i]);
            return 2;
        }
    }
    log_setup(LOG_INFO, true);
    const struct http_handler handler = {
        .context = &echo,
        .on_head = on_head,
        .on_request = on_request,
        .on_deadline = on_deadline,
        .on_end = on_end,
        .on_answer = on_answer,
        .render_error = render_error,
        .on_drain = on_drain,
    };
    echo.server = http_open(&options, &handler, &err);
    if (!echo.server) {
        fprintf(stderr, "%s: %s\n", error_kind_name(err.kind), err.message);
        return 1;
    }
    printf("listening on http://%s:%d\n", options.host, http_port(echo.server));
    fflush(stdout);
    bool drained = http_run(echo.server);
    const struct timespec pause = {.tv_nsec = 1000000};
    while (atomic_load(&echo.sleepers) > 0)
        nanosleep(&pause, NULL);
    http_close(echo.server);
    printf("begun %lu ended %lu\n", echo.begun, echo.ended);
    return drained && echo.begun == echo.ended ? 0 : 3;
}
