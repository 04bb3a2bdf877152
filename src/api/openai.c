/* OpenAI's dialect: POST /v1/embeddings, GET /v1/models (its API reference of 2026). */
#include <stdio.h>
#include <string.h>

#include "api/dialects.h"
#include "api/fields.h"
#include "api/internal.h"

/* --- POST /v1/embeddings */

static bool read_embeddings(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"input", true, read_embedded_input},
        {"model", false, read_model},
        {"encoding_format", false, read_encoding_format},
        {"dimensions", false, read_dimensions},
        {"user", false, read_unused_string},
    };
    return embedding_begin(call, err) && fields_read(root, fields, sizeof fields / sizeof *fields, call, err);
}

static void write_embeddings(struct call *call, struct buf *out)
{
    const char *model = call_model_name(call);
    size_t tokens = 0;
    buf_puts(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < call->count && call_is_wanted(call); i++) {
        const struct item *item = &call->items[i];
        tokens += item->length;
        buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "", i);
        put_vector(item->rows, item->columns, call->reply.is_base64, out);
        buf_putc(out, '}');
    }
    buf_puts(out, "],\"model\":");
    json_put_string(out, model, strlen(model));
    buf_printf(out, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", tokens, tokens);
}

const struct operation openai_embeddings = {
    .read = read_embeddings, .serves = serves_embeddings, .write = write_embeddings, .splits_lists = true};

/* --- GET /v1/models */

static void put_model(const struct api *api, struct buf *out)
{
    const char *name = api_model_name(api);
    buf_puts(out, "{\"id\":");
    json_put_string(out, name, strlen(name));
    buf_printf(out, ",\"object\":\"model\",\"created\":%.0f,\"owned_by\":\"linnet\"}", api->started_time);
}

/* `loaded` is what there is to answer with; NULL: nothing yet. */
static bool is_loaded(const struct api *loaded, const struct api *api, struct http_exchange *x)
{
    struct error err;
    if (loaded)
        return true;
    models_say_loading(api, &err);
    answer_error(x, &openai_dialect, &err);
    return false;
}

void page_openai_models(struct api *api, struct http_exchange *x)
{
    struct buf body;
    bool all = models_all(api, x);
    struct api *const *models = all ? api->root->models : &api, *first;
    int count = all ? api->root->model_count : 1;
    if (!is_loaded(first = models_first(models, count, NULL), api, x))
        return;
    buf_init(&body);
    buf_puts(&body, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < count; i++) {
        if (!models[i]->sched)
            continue;
        if (models[i] != first)
            buf_putc(&body, ',');
        put_model(models[i], &body);
    }
    buf_puts(&body, "]}");
    answer_json(x, 200, &body);
}

void page_openai_model(struct api *api, struct http_exchange *x)
{
    struct error err;
    struct buf body;
    if (!is_loaded(api->sched ? api : NULL, api, x))
        return;
    if (!api_check_model(api, x, &err)) {
        answer_error(x, &openai_dialect, &err);
        return;
    }
    buf_init(&body);
    put_model(api, &body);
    answer_json(x, 200, &body);
}

/* --- Errors */

static struct answer_kind kind_of(enum error_kind kind)
{
    struct answer_kind answer = plain_kind_of(kind);
    if (kind == ERR_TOO_LONG)
        answer.type = "context_length_exceeded";
    else if (kind == ERR_NOT_FOUND)
        answer.type = "model_not_found";
    else if (kind == ERR_OVERLOADED)
        answer.type = "rate_limit_exceeded";
    return answer;
}

static void put_openai_error(struct buf *out, const char *message, struct answer_kind kind)
{
    const char *type = kind.status == 429   ? "rate_limit_error"
                       : kind.status == 401 ? "authentication_error"
                       : kind.status < 500  ? "invalid_request_error"
                                            : "server_error";
    buf_puts(out, "{\"error\":{\"message\":");
    json_put_string(out, message, strlen(message));
    buf_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}", type,
               kind.status == 401 ? "invalid_api_key" : kind.type);
}

const struct dialect openai_dialect = {"OpenAI", kind_of, put_openai_error, "OpenAIError"};
