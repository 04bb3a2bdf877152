/* Small answers, and what the header of a large one says. */
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "base/log.h"

void put_error(struct buf *out, const char *message, struct answer_kind kind)
{
    buf_puts(out, "{\"error\":");
    json_put_string(out, message, strlen(message));
    buf_printf(out, ",\"error_type\":\"%s\"}", kind.type);
}

struct answer_kind plain_kind_of(enum error_kind kind)
{
    switch (kind) {
    case ERR_BAD_JSON:
    case ERR_BAD_INPUT:
    case ERR_EMPTY_INPUT:
    case ERR_TOO_MANY:
    case ERR_TOO_LONG:
    case ERR_UNSUPPORTED_MODEL:
        return (struct answer_kind){400, error_kind_name(kind)};
    case ERR_TOO_LARGE:
        return (struct answer_kind){413, error_kind_name(kind)};
    case ERR_NOT_FOUND:
        return (struct answer_kind){404, error_kind_name(kind)};
    case ERR_OVERLOADED:
        return (struct answer_kind){429, error_kind_name(kind)};
    case ERR_LOADING:
    case ERR_SHUTTING_DOWN:
        return (struct answer_kind){503, error_kind_name(kind)};
    case ERR_DEADLINE:
        return (struct answer_kind){504, error_kind_name(kind)};
    default:
        return (struct answer_kind){500, error_kind_name(kind)};
    }
}

void answer_json(struct http_exchange *x, int status, struct buf *body)
{
    http_respond(x, status, "application/json", NULL, 0, body);
}

void answer_refusal(struct http_exchange *x, const struct dialect *dialect, struct answer_kind kind,
                    const char *message, const char *field, const char *value)
{
    struct buf body;
    const struct http_response_field extra = {field, value};
    buf_init(&body);
    dialect->put_error(&body, message, kind);
    http_respond(x, kind.status, "application/json", &extra, value ? 1 : 0, &body);
}

/* What a client can do nothing about, and someone should look into. */
static bool is_our_fault(enum error_kind kind)
{
    return kind == ERR_NON_FINITE || kind == ERR_PYTHON || kind == ERR_WORKER || kind == ERR_NO_MEMORY ||
           kind == ERR_INTERNAL || kind == ERR_IO;
}

void answer_error(struct http_exchange *x, const struct dialect *dialect, const struct error *err)
{
    char retry[16], message[sizeof err->message + 100];
    snprintf(message, sizeof message, "%s", err->message);
    if (is_our_fault(err->kind)) {
        snprintf(message, sizeof message, "%s (request id %s)", err->message, http_request_id(x));
        log_error("request %s: %s: %s", http_request_id(x), error_kind_name(err->kind), err->message);
    }
    /* Retry-After counts whole seconds (RFC 9110, 10.2.3). */
    snprintf(retry, sizeof retry, "%u", (err->retry_ms + 999) / 1000);
    answer_refusal(x, dialect, dialect->kind_of(err->kind), message, "Retry-After",
                   err->retry_ms ? retry : NULL);
}

/* --- The header of an answer to texts */

static void add(struct answer_fields *out, const char *name, unsigned long long value)
{
    char *text = out->values[out->count];
    snprintf(text, sizeof out->values[0], "%llu", value);
    out->fields[out->count++] = (struct http_response_field){name, text};
}

/* Unicode code points: bytes that begin one. */
static size_t characters(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static size_t characters_of(const struct input *input)
{
    if (input->ids)
        return input->id_count;
    return characters(input->text, input->text_length) + characters(input->pair, input->pair_length);
}

/* text-embeddings-inference, router/src/lib.rs, ResponseMetadata: whole milliseconds. */
static void add_times(const struct call *call, struct answer_fields *out)
{
    unsigned long long total = (clock_ns() - call->begin_ns) / 1000000, count = 0;
    for (size_t i = 0; i < call->count; i++)
        count += characters_of(&call->inputs[i]);
    add(out, "x-compute-characters", count);
    add(out, "x-compute-time", total);
    add(out, "x-total-time", total);
    add(out, "x-tokenization-time", call->prepare_ns / 1000000);
    add(out, "x-queue-time", call->queue_ns / 1000000);
    add(out, "x-inference-time", call->compute_ns / 1000000);
}

void answer_fields_set(const struct call *call, struct answer_fields *out)
{
    unsigned long long tokens = 0, truncated = 0;
    out->count = 0;
    for (size_t i = 0; i < call->count; i++) {
        tokens += call->items[i].length;
        truncated += call->items[i].length < call->items[i].full_length;
    }
    /* Python's items have no tokens that linnet knows of. */
    if (call_model(call)->result == RESULT_ROWS)
        add(out, "x-compute-tokens", tokens);
    if (truncated)
        add(out, "x-truncated-texts", truncated);
    if (call->route->operation->has_times)
        add_times(call, out);
    if (call->json_length)
        add(out, "Inference-Header-Content-Length", call->json_length);
}
