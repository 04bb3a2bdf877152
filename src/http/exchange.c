#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "http/internal.h"

/* What an exchange keeps of each of its buffers for the next one. */
enum { KEPT_BYTES = 16384 };

static void put_hex(char *out, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}

struct http_exchange *exchange_begin(struct http_server *server, struct connection *connection)
{
    struct http_exchange *exchange = server->spares;
    if (exchange) {
        server->spares = exchange->next_spare;
        server->spare_count--;
    } else {
        exchange = malloc(sizeof *exchange);
        if (!exchange)
            return NULL;
        parser_init(&exchange->parser, &server->limits);
    }
    exchange->connection = connection;
    exchange->user = NULL;
    exchange->path_skipped = 0;
    exchange->place = 0;
    exchange->begin_ns = clock_ns();
    exchange->is_known = exchange->is_answered = false;
    put_hex(exchange->id, server->id_high);
    put_hex(exchange->id + 16, server->id_low++);
    exchange->id[32] = '\0';
    return exchange;
}

static void release(struct http_exchange *exchange)
{
    parser_free(&exchange->parser);
    free(exchange);
}

void exchange_end(struct http_server *server, struct http_exchange *exchange)
{
    if (exchange->is_known)
        server->handler.on_end(server->handler.context, exchange);
    if (server->spare_count >= SPARE_EXCHANGES) {
        release(exchange);
        return;
    }
    parser_reset(&exchange->parser, KEPT_BYTES);
    exchange->next_spare = server->spares;
    server->spares = exchange;
    server->spare_count++;
}

void exchange_free_spares(struct http_server *server)
{
    while (server->spares) {
        struct http_exchange *exchange = server->spares;
        server->spares = exchange->next_spare;
        release(exchange);
    }
    server->spare_count = 0;
}

static bool is_sane_id(const char *id)
{
    size_t length = strlen(id);
    if (length == 0 || length >= sizeof((struct http_exchange *)0)->id)
        return false;
    for (; *id; id++) {
        if (!isalnum((unsigned char)*id) && !strchr("._-", *id))
            return false;
    }
    return true;
}

void exchange_take_id(struct http_exchange *exchange)
{
    const char *given = exchange->parser.request_id;
    if (given && is_sane_id(given))
        snprintf(exchange->id, sizeof exchange->id, "%s", given);
}

/* --- http.h */

const char *http_method(const struct http_exchange *x)
{
    return x->parser.machine.method == HTTP_HEAD ? "GET" : x->parser.method;
}

const char *http_path(const struct http_exchange *x)
{
    const char *path = x->parser.path + x->path_skipped;
    return *path ? path : "/";
}

void http_enter(struct http_exchange *x, size_t skipped, int place)
{
    x->path_skipped = skipped;
    x->place = place;
}

int http_place(const struct http_exchange *x)
{
    return x->place;
}

const char *http_query(const struct http_exchange *x)
{
    return x->parser.query;
}

const char *http_field(const struct http_exchange *x, const char *name)
{
    return parser_field(&x->parser, name);
}

bool http_is_second_port(const struct http_exchange *x)
{
    int second = x->connection->server->second_port;
    return second && accept_port_of(x->connection->fd) == second;
}

const char *http_request_id(const struct http_exchange *x)
{
    return x->id;
}

struct blob http_body(const struct http_exchange *x)
{
    const struct buf *body = &x->parser.body;
    const char *bytes = body->bytes ? body->bytes : "";
    return (struct blob){.bytes = (const unsigned char *)bytes, .size = body->length};
}

void http_set_user(struct http_exchange *x, void *user)
{
    x->user = user;
}

void *http_user(const struct http_exchange *x)
{
    return x->user;
}

void http_respond(struct http_exchange *x, int status, const char *content_type,
                  const struct http_response_field *fields, size_t field_count, struct buf *body)
{
    if (x->is_answered) {
        buf_free(body);
        return;
    }
    struct answer answer = {
        .status = status, .content_type = content_type, .fields = fields, .field_count = field_count};
    response_send(x->connection, &answer, body);
}
