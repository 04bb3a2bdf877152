#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/internal.h"
#include "base/log.h"
#include "base/suggest.h"

enum {
    KEPT_JSON_BYTES = 1 << 20,
    /* yyjson's values take 16 bytes each, and "[1,1,...]" has one in two bytes; growing copies them, and
     * looking for duplicate keys needs as much again for "{"a":1,...}". */
    JSON_BYTES_PER_BODY_BYTE = 64,
    JSON_BASE_BYTES = 1 << 20,
};

const struct route routes[] = {
    {.path = "/", .dialect = &hf_dialect},
    {.path = "/age", .dialect = &hf_dialect},
    {.path = "/predict", .dialect = &tei_dialect},
    {.path = "/info", .page = page_info},
    {.path = "/health", .page = page_health},
    {.path = "/ping", .page = page_health},
    {.path = "/live", .page = page_live},
    {.path = "/metrics", .page = page_metrics},
    {.path = NULL},
};

_Static_assert(sizeof routes / sizeof *routes <= MAX_ROUTES, "route_stats has a place for each route");

const struct route *route_find(const char *path)
{
    for (const struct route *route = routes; route->path; route++)
        if (strcmp(route->path, path) == 0)
            return route;
    return NULL;
}

/* --- Answers */

void put_error(struct buf *out, const char *message, const char *type)
{
    buf_puts(out, "{\"error\":");
    json_put_string(out, message, strlen(message));
    buf_printf(out, ",\"error_type\":\"%s\"}", type);
}

void answer_json(struct http_exchange *x, int status, struct buf *body)
{
    http_respond(x, status, "application/json", NULL, 0, body);
}

/* An error of `status` with one more header field (or none, where its value is NULL). */
static void answer_status(struct http_exchange *x, int status, const char *message, const char *type,
                          const char *field, const char *value)
{
    struct buf body;
    const struct http_response_field extra = {field, value};
    buf_init(&body);
    put_error(&body, message, type);
    http_respond(x, status, "application/json", &extra, value ? 1 : 0, &body);
}

/* What a client can do nothing about, and someone should look into. */
static bool is_our_fault(enum error_kind kind)
{
    return kind == ERR_NON_FINITE || kind == ERR_PYTHON || kind == ERR_WORKER || kind == ERR_NO_MEMORY ||
           kind == ERR_INTERNAL || kind == ERR_IO;
}

void answer_error(struct http_exchange *x, const struct dialect *dialect, const struct error *err)
{
    struct answer_kind kind = dialect->kind_of(err->kind);
    char retry[16], message[sizeof err->message + 100];
    snprintf(message, sizeof message, "%s", err->message);
    if (is_our_fault(err->kind)) {
        snprintf(message, sizeof message, "%s (request id %s)", err->message, http_request_id(x));
        log_error("request %s: %s: %s", http_request_id(x), error_kind_name(err->kind), err->message);
    }
    /* Retry-After counts whole seconds (RFC 9110, 10.2.3). */
    snprintf(retry, sizeof retry, "%u", (err->retry_ms + 999) / 1000);
    answer_status(x, kind.status, message, kind.type, "Retry-After", err->retry_ms ? retry : NULL);
}

/* --- Before the body */

static bool refuse_path(struct http_exchange *x)
{
    const char *paths[MAX_ROUTES], *path = http_path(x);
    struct buf message;
    size_t count = 0;
    while (routes[count].path) {
        paths[count] = routes[count].path;
        count++;
    }
    const char *near = suggest_nearest(path, paths, count);
    buf_init(&message);
    buf_printf(&message, "no such path: %.100s. ", path);
    if (near)
        buf_printf(&message, "Did you mean %s? ", near);
    buf_puts(&message, "There are");
    for (size_t i = 0; i < count; i++)
        buf_printf(&message, "%s %s", i ? "," : "", paths[i]);
    answer_status(x, 404, buf_ok(&message) ? message.bytes : "no such path", "not_found", NULL, NULL);
    buf_free(&message);
    return false;
}

static bool refuse_method(const struct route *route, struct http_exchange *x)
{
    const char *allow = route->dialect ? "POST" : "GET, HEAD";
    char message[200];
    snprintf(message, sizeof message, "%.20s is not allowed for %s, want %s", http_method(x), route->path,
             allow);
    answer_status(x, 405, message, "method_not_allowed", "Allow", allow);
    return false;
}

/* application/json or any +json (RFC 6839), in UTF-8; none at all is taken as JSON. */
static bool is_json_type(const char *type)
{
    if (!type)
        return true;
    size_t length = strcspn(type, "; \t");
    bool json = (length == 16 && strncasecmp(type, "application/json", 16) == 0) ||
                (length > 5 && strncasecmp(type + length - 5, "+json", 5) == 0);
    const char *charset = strcasestr(type, "charset=");
    if (!json || !charset)
        return json;
    charset += strlen("charset=");
    charset += *charset == '"';
    return strncasecmp(charset, "utf-8", 5) == 0;
}

static bool refuse_type(struct http_exchange *x)
{
    char message[200];
    snprintf(message, sizeof message,
             "the content type is \"%.80s\", send the header Content-Type: application/json",
             http_field(x, "content-type"));
    answer_status(x, 415, message, "unsupported_media_type", NULL, NULL);
    return false;
}

/* Bodies are taken as they are (RFC 9110, 8.4). */
static bool is_encoded(struct http_exchange *x)
{
    const char *coding = http_field(x, "content-encoding");
    return coding && strcasecmp(coding, "identity") != 0;
}

static bool refuse_coding(struct http_exchange *x)
{
    char message[200];
    snprintf(message, sizeof message, "the content encoding is \"%.80s\", send the body without one",
             http_field(x, "content-encoding"));
    answer_status(x, 415, message, "unsupported_media_type", NULL, NULL);
    return false;
}

static bool refuse_loading(struct http_exchange *x, const struct dialect *dialect)
{
    struct error err;
    error_set(&err, ERR_LOADING, "the model is loading, try again in a second");
    err.retry_ms = 1000;
    answer_error(x, dialect, &err);
    return false;
}

static bool on_head(void *context, struct http_exchange *x)
{
    struct api *api = context;
    struct error err;
    const struct route *route = route_find(http_path(x));
    if (!route)
        return refuse_path(x);
    if (strcmp(http_method(x), route->dialect ? "POST" : "GET") != 0)
        return refuse_method(route, x);
    if (!route->dialect)
        return true;
    if (!is_json_type(http_field(x, "content-type")))
        return refuse_type(x);
    if (is_encoded(x))
        return refuse_coding(x);
    if (!api->sched)
        return refuse_loading(x, route->dialect);
    if (sched_has_room(api->sched, &err))
        return true;
    answer_error(x, route->dialect, &err);
    return false;
}

/* --- The other events */

static void on_request(void *context, struct http_exchange *x)
{
    struct api *api = context;
    struct error err;
    const struct route *route = route_find(http_path(x));
    if (!route->dialect) {
        route->page(api, x);
        return;
    }
    if (api->open_calls >= api->options.max_requests) {
        error_set(&err, ERR_OVERLOADED, "%zu requests are being answered, the limit is %zu", api->open_calls,
                  api->options.max_requests);
        err.retry_ms = 1000;
        answer_error(x, route->dialect, &err);
        return;
    }
    struct call *call = call_new(api, x, route->dialect);
    if (call) {
        call_start(call);
        return;
    }
    error_set(&err, ERR_NO_MEMORY, "no memory for the request");
    answer_error(x, route->dialect, &err);
}

static void on_deadline(void *context, struct http_exchange *x)
{
    (void)context;
    call_expire(http_user(x));
}

static void on_end(void *context, struct http_exchange *x)
{
    struct call *call = http_user(x);
    (void)context;
    if (call)
        call_detach(call);
}

static void on_answer(void *context, struct http_exchange *x, int status, uint64_t duration_ns)
{
    struct api *api = context;
    const struct route *route = x ? route_find(http_path(x)) : NULL;
    size_t index = 0;
    while (routes[index].path && &routes[index] != route)
        index++;
    struct route_stats *stats = &api->route_stats[index];
    histogram_add_ns(&stats->duration, duration_ns);
    for (int i = 0; i < MAX_STATUSES; i++) {
        if (stats->by_status[i].status == status || stats->by_status[i].status == 0) {
            stats->by_status[i].status = status;
            stats->by_status[i].answers++;
            return;
        }
    }
}

static const char *render_error(void *context, int status, const char *message, struct buf *body)
{
    (void)context;
    const char *type = status == 413   ? "too_large"
                       : status == 431 ? "headers_too_large"
                       : status == 408 ? "request_timeout"
                       : status == 503 ? "overloaded"
                       : status >= 500 ? "not_implemented"
                                       : "bad_request";
    put_error(body, message, type);
    return "application/json";
}

static void on_drain(void *context)
{
    struct api *api = context;
    api->draining = true;
}

/* --- Opening */

void api_options_default(struct api_options *options)
{
    *options =
        (struct api_options){.version = "", .max_texts = 512, .inline_bytes = 16 << 10, .max_requests = 512};
}

struct api *api_open(const struct api_options *options, struct error *err)
{
    struct timespec now;
    struct api *api = calloc(1, sizeof *api);
    if (!api) {
        error_set(err, ERR_NO_MEMORY, "no memory for the API");
        return NULL;
    }
    api->options = *options;
    api->started_ns = clock_ns();
    clock_gettime(CLOCK_REALTIME, &now);
    api->started_time = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    arena_init(&api->json, KEPT_JSON_BYTES,
               JSON_BASE_BYTES + JSON_BYTES_PER_BODY_BYTE * options->max_body_bytes);
    histogram_init_seconds(&api->prepare);
    for (int i = 0; i < MAX_ROUTES; i++)
        histogram_init_seconds(&api->route_stats[i].duration);
    return api;
}

void api_close(struct api *api)
{
    if (!api)
        return;
    while (api->free_calls) {
        struct call *call = api->free_calls;
        api->free_calls = call->next_free;
        call_free(call);
    }
    arena_free(&api->json);
    free(api);
}

struct http_handler api_handler(struct api *api)
{
    return (struct http_handler){
        .context = api,
        .on_head = on_head,
        .on_request = on_request,
        .on_deadline = on_deadline,
        .on_end = on_end,
        .on_answer = on_answer,
        .render_error = render_error,
        .on_drain = on_drain,
    };
}

void api_attach(struct api *api, struct http_server *server)
{
    api->server = server;
}

void api_ready(struct api *api, struct sched *sched)
{
    api->sched = sched;
}
