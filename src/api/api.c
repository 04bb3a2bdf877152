#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/dialects.h"
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

/* --- Before the body */

static bool refuse_path(struct http_exchange *x)
{
    const char *paths[MAX_ROUTES], *path = http_path(x);
    char message[300], meant[100] = "";
    for (size_t i = 0; i < route_count; i++)
        paths[i] = routes[i].path;
    const char *near = suggest_nearest(path, paths, route_count);
    if (near)
        snprintf(meant, sizeof meant, "Did you mean %s? ", near);
    snprintf(message, sizeof message, "no such path: %.100s. %sGET /docs lists all", path, meant);
    answer_refusal(x, dialect_of_path(path), (struct answer_kind){404, "not_found"}, message, NULL, NULL);
    return false;
}

static bool refuse_method(const struct route *route, struct http_exchange *x)
{
    char message[300], allow[64];
    route_allow(route, allow, sizeof allow);
    snprintf(message, sizeof message, "%.20s is not allowed for %.100s, want %s", http_method(x), route->path,
             allow);
    answer_refusal(x, route->dialect, (struct answer_kind){405, "method_not_allowed"}, message, "Allow",
                   allow);
    return false;
}

/* RFC 9110, 9.3.7. */
static bool answer_options(const struct route *route, struct http_exchange *x)
{
    char allow[64];
    struct buf body;
    buf_init(&body);
    route_allow(route, allow, sizeof allow);
    strncat(allow, ", OPTIONS", sizeof allow - strlen(allow) - 1);
    const struct http_response_field field = {"Allow", allow};
    http_respond(x, 204, NULL, &field, 1, &body);
    return false;
}

/* A browser asks without a key whether a page of another origin may send one. */
static bool is_preflight(struct http_exchange *x)
{
    return strcmp(http_method(x), "OPTIONS") == 0 && http_field(x, "origin") &&
           http_field(x, "access-control-request-method");
}

/* Who opens a page in a browser is asked for a key by the browser; programs are told of the header alone, for
 * some ask a person where they see Basic. */
static bool refuse_key(const struct dialect *dialect, struct http_exchange *x)
{
    const char *accepted = http_field(x, "accept");
    bool is_browser = accepted && strstr(accepted, "text/html");
    const char *message =
        is_browser ? "this server wants an API key: load the page again and give the key as the password, "
                     "with any user name; programs send the header Authorization: Bearer KEY"
        : http_field(x, "authorization")
            ? "the API key is not one of this server's"
            : "this server wants an API key: send the header Authorization: Bearer KEY";
    answer_refusal(x, dialect, (struct answer_kind){401, "unauthorized"}, message, "WWW-Authenticate",
                   is_browser ? "Basic realm=\"linnet: any name, an API key as password\", charset=\"UTF-8\""
                              : "Bearer");
    return false;
}

/* A page of another site can have a browser POST without a preflight, with the key that it keeps. Browsers
 * say so where the connection is one that they trust: TLS, or the machine itself (W3C, Fetch Metadata). Links
 * from elsewhere to a page of the server work. */
static bool is_foreign(const struct api *api, struct http_exchange *x)
{
    const char *site = http_field(x, "sec-fetch-site");
    return api->keys && keys_sent_by_browser(http_field(x, "authorization")) && site &&
           strcmp(site, "cross-site") == 0 && strcmp(http_method(x), "POST") == 0;
}

static bool refuse_foreign(const struct dialect *dialect, struct http_exchange *x)
{
    answer_refusal(
        x, dialect, (struct answer_kind){403, "forbidden"},
        "a page of another site asks with the API key that this browser keeps: a script is to send "
        "its own in the header Authorization: Bearer KEY",
        NULL, NULL);
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

static bool refuse_type(const struct dialect *dialect, struct http_exchange *x)
{
    char message[200];
    snprintf(message, sizeof message,
             "the content type is \"%.80s\", send the header Content-Type: application/json",
             http_field(x, "content-type"));
    answer_refusal(x, dialect, (struct answer_kind){415, "unsupported_media_type"}, message, NULL, NULL);
    return false;
}

/* Bodies are taken as they are (RFC 9110, 8.4). */
static bool is_encoded(struct http_exchange *x)
{
    const char *coding = http_field(x, "content-encoding");
    return coding && strcasecmp(coding, "identity") != 0;
}

static bool refuse_coding(const struct dialect *dialect, struct http_exchange *x)
{
    char message[200];
    snprintf(message, sizeof message, "the content encoding is \"%.80s\", send the body without one",
             http_field(x, "content-encoding"));
    answer_refusal(x, dialect, (struct answer_kind){415, "unsupported_media_type"}, message, NULL, NULL);
    return false;
}

static bool refuse_loading(const struct api *api, struct http_exchange *x, const struct dialect *dialect)
{
    struct error err;
    models_say_loading(api, &err);
    answer_error(x, dialect, &err);
    return false;
}

/* JSON, or JSON with bytes behind it where the operation takes these. */
static bool takes_type(const struct operation *operation, const char *type)
{
    return is_json_type(type) || (operation->split && strcasecmp(type, "application/octet-stream") == 0);
}

static bool on_head_of_operation(struct api *api, const struct route *route, struct http_exchange *x)
{
    struct error err;
    if (!takes_type(route->operation, http_field(x, "content-type")))
        return refuse_type(route->dialect, x);
    if (is_encoded(x))
        return refuse_coding(route->dialect, x);
    if (!api->sched)
        return refuse_loading(api, x, route->dialect);
    if (models_all(api, x) || sched_has_room(api->sched, &err))
        return true;
    tei_count_failure(&api->tei, err.kind);
    answer_error(x, route->dialect, &err);
    return false;
}

/* The port of its own for Prometheus has nothing else and wants no key. */
static bool on_head_of_metrics(struct http_exchange *x)
{
    const struct route *route = route_of_path(http_path(x));
    if (!route || route->page != page_metrics) {
        answer_refusal(x, &own_dialect, (struct answer_kind){404, "not_found"},
                       "this port has /metrics alone", NULL, NULL);
        return false;
    }
    return strcmp(http_method(x), route->method) == 0 || refuse_method(route, x);
}

static bool on_head(void *context, struct http_exchange *x)
{
    struct api *api = context;
    struct error err;
    models_enter(api, x);
    const char *path = http_path(x);
    if (http_is_second_port(x))
        return on_head_of_metrics(x);
    const struct route *route = route_find(http_method(x), path), *any = route ? route : route_of_path(path);
    bool is_open = any && any->is_open;
    if (any && is_preflight(x))
        return answer_options(any, x);
    if (!is_open && !keys_allow(api->keys, http_field(x, "authorization")))
        return refuse_key(any ? any->dialect : dialect_of_path(path), x);
    if (is_foreign(api, x))
        return refuse_foreign(any ? any->dialect : dialect_of_path(path), x);
    if (models_unknown(api, x, &err)) {
        answer_error(x, &hf_dialect, &err);
        return false;
    }
    if (!any)
        return refuse_path(x);
    if (!route && strcmp(http_method(x), "OPTIONS") == 0)
        return answer_options(any, x);
    if (!route)
        return refuse_method(any, x);
    return route->page || on_head_of_operation(models_of(api, route, x), route, x);
}

/* --- The other events */

static void on_request(void *context, struct http_exchange *x)
{
    struct error err;
    const struct route *route = route_find(http_method(x), http_path(x));
    struct api *api = models_of(context, route, x);
    if (route->page) {
        route->page(api, x);
        return;
    }
    if (api->open_calls >= api->options.max_requests) {
        error_set(&err, ERR_OVERLOADED, "%zu requests are being answered, the limit is %zu", api->open_calls,
                  api->options.max_requests);
        err.retry_ms = 1000;
        tei_count_failure(&api->tei, err.kind);
        answer_error(x, route->dialect, &err);
        return;
    }
    struct call *call = call_new(api, x, route);
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
    struct route_stats *stats = &api->route_stats[route_label(x ? route_of_path(http_path(x)) : NULL)];
    histogram_add_ns(&stats->duration, duration_ns);
    for (int i = 0; i < MAX_STATUSES; i++) {
        if (stats->by_status[i].status == status || stats->by_status[i].status == 0) {
            stats->by_status[i].status = status;
            stats->by_status[i].answers++;
            return;
        }
    }
}

/* Of a request whose head may have been refused before on_head() saw it. */
static const struct dialect *dialect_of(struct api *api, struct http_exchange *x)
{
    if (http_place(x) == 0)
        models_enter(api, x);
    const struct route *route = route_find(http_method(x), http_path(x));
    return route ? route->dialect : dialect_of_path(http_path(x));
}

/* What every dialect has a word for goes by that word; the rest, of HTTP alone, keeps linnet's. */
static const char *render_error(void *context, struct http_exchange *x, int status, const char *message,
                                struct buf *body)
{
    const struct dialect *dialect = x ? dialect_of(context, x) : &own_dialect;
    const char *type = status == 413   ? "too_large"
                       : status == 431 ? "headers_too_large"
                       : status == 408 ? "request_timeout"
                       : status == 503 ? dialect->kind_of(ERR_OVERLOADED).type
                       : status == 504 ? dialect->kind_of(ERR_DEADLINE).type
                       : status >= 500 ? "not_implemented"
                                       : "bad_request";
    dialect->put_error(body, message, (struct answer_kind){status, type});
    return "application/json";
}

static void on_drain(void *context)
{
    struct api *root = context;
    for (int i = 0; i < root->model_count; i++)
        root->models[i]->draining = true;
}

/* --- Opening */

void api_options_default(struct api_options *options)
{
    *options =
        (struct api_options){.version = "", .max_texts = 512, .inline_bytes = 16 << 10, .max_requests = 512};
}

/* Without keys. NULL: ERR_NO_MEMORY. */
static struct api *make_api(const struct api_options *options, struct error *err)
{
    struct timespec now;
    struct api *api = calloc(1, sizeof *api);
    if (!api) {
        error_set(err, ERR_NO_MEMORY, "no memory for the API");
        return NULL;
    }
    api->options = *options;
    tei_stats_init(&api->tei);
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

struct api *api_open(const struct api_options *options, struct error *err)
{
    struct api *api = make_api(options, err);
    if (!api)
        return NULL;
    api->root = api->models[0] = api;
    api->model_count = 1;
    if (keys_open(options->api_key, options->api_key_file, &api->keys, err))
        return api;
    api_close(api);
    return NULL;
}

struct api *api_add(struct api *first, const char *name, struct error *err)
{
    struct api_options options = first->options;
    options.model_name = name;
    struct api *api = make_api(&options, err);
    if (!api)
        return NULL;
    api->root = first;
    api->server = first->server;
    first->models[first->model_count++] = api;
    return api;
}

static void close_one(struct api *api)
{
    while (api->free_calls) {
        struct call *call = api->free_calls;
        api->free_calls = call->next_free;
        call_free(call);
    }
    arena_free(&api->json);
    keys_close(api->keys);
    free(api);
}

void api_close(struct api *api)
{
    for (int i = api ? api->model_count - 1 : -1; i >= 0; i--)
        close_one(api->models[i]);
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
    for (int i = 0; i < api->model_count; i++)
        api->models[i]->server = server;
}

const char *api_model_name(const struct api *api)
{
    if (api->options.model_name)
        return api->options.model_name;
    return api->sched ? sched_engine(api->sched)->desc.name : "model";
}

bool api_check_model(const struct api *api, const struct http_exchange *x, struct error *err)
{
    size_t length = 0;
    const char *path = http_path(x), *full = sched_engine(api->sched)->desc.name, *name = api_model_name(api);
    const char *asked = route_parameter(route_find(http_method(x), path), path, "model", &length);
    if (strlen(name) == length && strncmp(asked, name, length) == 0)
        return true;
    if (strlen(full) == length && strncmp(asked, full, length) == 0)
        return true;
    return models_refuse(api->root, asked, length, err);
}

void api_ready(struct api *api, struct sched *sched)
{
    api->sched = sched;
}

void api_fail(struct api *api, const char *reason)
{
    snprintf(api->failure, sizeof api->failure, "%s", reason);
}
