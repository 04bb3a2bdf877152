/* Pages of other origins (the Fetch standard, 3.2): header fields that let them call, and read what is
 * answered. Credentials that a browser sends by itself are never allowed, so that * may stand for all header
 * fields but Authorization, which has to be named. */
#include <string.h>
#include <strings.h>

#include "http/internal.h"

static bool is_named(const struct http_options *options, const char *origin)
{
    size_t length = strlen(origin);
    for (size_t i = 0; i < options->cors_origin_count; i++) {
        for (const char *at = options->cors_origins[i]; *at;) {
            size_t one = strcspn(at, ",");
            if (one == length && strncasecmp(at, origin, one) == 0)
                return true;
            at += one + (at[one] == ',');
            at += strspn(at, " \t");
        }
    }
    return false;
}

static void put_preflight(const struct answer *answer, response_put_field *put, struct buf *head)
{
    for (size_t i = 0; i < answer->field_count; i++)
        if (strcmp(answer->fields[i].name, "Allow") == 0)
            put(head, "Access-Control-Allow-Methods", answer->fields[i].value);
    put(head, "Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id, *");
    put(head, "Access-Control-Max-Age", "86400");
}

void cors_put_fields(const struct connection *connection, const struct answer *answer,
                     response_put_field *put, struct buf *head)
{
    const struct http_options *options = &connection->server->options;
    const struct http_exchange *exchange = connection->exchange;
    if (options->cors_origin_count == 0)
        return;
    const char *origin = exchange && exchange->parser.path ? parser_field(&exchange->parser, "origin") : NULL;
    bool any = is_named(options, "*");
    if (!any)
        put(head, "Vary", "Origin");
    if (!any && (!origin || !is_named(options, origin)))
        return;
    put(head, "Access-Control-Allow-Origin", any ? "*" : origin);
    put(head, "Access-Control-Expose-Headers", "*");
    if (exchange && exchange->parser.path && exchange->parser.machine.method == HTTP_OPTIONS)
        put_preflight(answer, put, head);
}
