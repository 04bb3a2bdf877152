/* Cohere's rerank, versions 1 and 2 of its API, and Jina's, which has the same fields and answers: POST
 * /v1/rerank, POST /v2/rerank {"query", "documents", "top_n", "return_documents", ...}. Documents that are
 * too long are cut, as both say; the answer warns of it. */
#include <stdio.h>
#include <string.h>

#include "api/cohere.h"
#include "api/dialects.h"
#include "api/fields.h"
#include "api/internal.h"
#include "api/rank.h"

/* The documents want the query first. */
static bool read_documents(yyjson_val *root, struct call *call, struct error *err)
{
    return rank_read_pairs(yyjson_obj_get(root, "query"), yyjson_obj_get(root, "documents"), "documents",
                           call, err);
}

static bool read_query(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return field_string(value, "query", err);
}

static bool read_list(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return yyjson_is_arr(value) || error_set(err, ERR_BAD_INPUT, "the field \"documents\" is %s, want a list",
                                             json_type_words(value));
}

static bool read_top_n(yyjson_val *value, struct call *call, struct error *err)
{
    return field_size(value, "top_n", &call->reply.top_n, err);
}

static bool read_return_documents(yyjson_val *value, struct call *call, struct error *err)
{
    return field_flag(value, "return_documents", &call->reply.returns_texts, err);
}

/* The model's own limit holds for query and document together. */
static bool read_max_tokens(yyjson_val *value, struct call *call, struct error *err)
{
    size_t tokens = 0, limit = (size_t)call_model(call)->max_tokens;
    if (!field_size(value, "max_tokens_per_doc", &tokens, err))
        return false;
    return tokens >= limit || error_set(err, ERR_BAD_INPUT,
                                        "the field \"max_tokens_per_doc\" is %zu; documents are cut to what "
                                        "the model takes, %zu tokens "
                                        "with the query, and to no less",
                                        tokens, limit);
}

static bool read_priority(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    char words[JSON_WORDS_SIZE];
    uint64_t number;
    return field_whole(value, &number) ||
           error_set(err, ERR_BAD_INPUT, "the field \"priority\" is %s, want a whole number",
                     json_value_words(value, words));
}

bool cohere_read(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"query", true, read_query},
        {"documents", true, read_list},
        {"model", false, read_model},
        {"top_n", false, read_top_n},
        {"return_documents", false, read_return_documents},
        {"truncate", false, read_truncate},
        {"max_tokens_per_doc", false, read_max_tokens},
        {"priority", false, read_priority},
    };
    const char *id = http_request_id(call->x);
    call->reply.request_id = arena_strndup(&call->arena, id, strlen(id));
    if (!call->reply.request_id)
        return error_set(err, ERR_NO_MEMORY, "no memory for the request's id");
    call->prepare.truncate = true;
    return rank_begin(call, err) && fields_read(root, fields, sizeof fields / sizeof *fields, call, err) &&
           read_documents(root, call, err);
}

/* --- The answer */

static void put_result(const struct call *call, const struct ranked *rank, struct buf *out)
{
    buf_printf(out, "{\"index\":%zu,\"relevance_score\":", rank->index);
    json_put_float(out, rank->score);
    if (call->reply.returns_texts) {
        const struct input *input = &call->inputs[rank->index];
        buf_puts(out, ",\"document\":{\"text\":");
        json_put_string(out, input->pair, input->pair_length);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

static void put_meta(const struct call *call, int version, struct buf *out)
{
    size_t tokens = 0, truncated = 0;
    for (size_t i = 0; i < call->count; i++) {
        tokens += call->items[i].length;
        truncated += call->items[i].length < call->items[i].full_length;
    }
    buf_printf(out,
               "],\"usage\":{\"total_tokens\":%zu,\"prompt_tokens\":%zu},"
               "\"meta\":{\"api_version\":{\"version\":\"%d\"},\"billed_units\":{\"search_units\":1},"
               "\"tokens\":{\"input_tokens\":%zu}",
               tokens, tokens, version, tokens);
    if (truncated)
        buf_printf(
            out,
            ",\"warnings\":[\"%zu of %zu documents were cut: with the query they had more than %d tokens\"]",
            truncated, call->count, call_model(call)->max_tokens);
    buf_putc(out, '}');
}

void cohere_write(struct call *call, int version, struct buf *out)
{
    size_t shown;
    const struct ranked *ranks = rank_sort(call, &shown);
    const char *model = call_model_name(call);
    if (!ranks) {
        out->failed = true;
        return;
    }
    buf_puts(out, "{\"id\":");
    json_put_string(out, call->reply.request_id, strlen(call->reply.request_id));
    buf_puts(out, ",\"model\":");
    json_put_string(out, model, strlen(model));
    buf_puts(out, ",\"results\":[");
    for (size_t i = 0; i < shown; i++) {
        if (i)
            buf_putc(out, ',');
        put_result(call, &ranks[i], out);
    }
    put_meta(call, version, out);
    buf_putc(out, '}');
}

static void write_v1(struct call *call, struct buf *out)
{
    cohere_write(call, 1, out);
}

static void write_v2(struct call *call, struct buf *out)
{
    cohere_write(call, 2, out);
}

const struct operation cohere_v1_rerank = {
    .read = cohere_read, .serves = serves_ranks, .write = write_v1, .splits_lists = true};
const struct operation cohere_v2_rerank = {
    .read = cohere_read, .serves = serves_ranks, .write = write_v2, .splits_lists = true};

/* --- Errors: Cohere's clients read "message", Jina's "detail" */

static void put_cohere_error(struct buf *out, const char *message, struct answer_kind kind)
{
    (void)kind;
    buf_puts(out, "{\"message\":");
    json_put_string(out, message, strlen(message));
    buf_puts(out, ",\"detail\":");
    json_put_string(out, message, strlen(message));
    buf_putc(out, '}');
}

const struct dialect cohere_dialect = {"Cohere and Jina", plain_kind_of, put_cohere_error, "CohereError"};
