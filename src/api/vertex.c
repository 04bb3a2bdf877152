/* Vertex AI's POST /vertex as text-embeddings-inference 1.9 has it: {"instances": [...]}, each of which is a
 * request to /embed, /embed_sparse, /rerank or /predict, as the model is for, to {"predictions": [...]}.
 *
 * The texts of all instances are one job. Reading and writing an instance is that path's own operation, for
 * which the call is narrowed to the instance's texts. */
#include <string.h>

#include "api/dialects.h"
#include "api/internal.h"

struct vertex_part {
    struct input *inputs; /* [count] */
    size_t count;
    struct reply reply;
};

struct vertex_request {
    struct vertex_part *parts; /* [count] */
    size_t count, texts;
};

static const struct operation *operation_of(const struct model_desc *model)
{
    return serves_embeddings(model) ? &tei_embed
           : serves_sparse(model)   ? &tei_embed_sparse
           : serves_ranks(model)    ? &tei_rerank
                                    : &tei_predict;
}

/* One job is prepared in one way. */
static bool is_prepared_alike(const struct prepare_options *a, const struct prepare_options *b)
{
    return a->rows == b->rows && a->truncate == b->truncate && a->strategy == b->strategy &&
           a->side == b->side && a->max_tokens == b->max_tokens && a->normalise == b->normalise &&
           a->dimensions == b->dimensions && a->prompt == b->prompt;
}

static bool read_part(yyjson_val *instance, size_t index, const struct prepare_options *plain,
                      struct vertex_request *request, struct call *call, struct error *err)
{
    const struct prepare_options first = call->prepare;
    call->prepare = *plain;
    call->reply = (struct reply){0};
    if (!operation_of(call_model(call))->read(instance, call, err))
        return error_prefix(err, "instances[%zu]", index);
    if (index > 0 && !is_prepared_alike(&first, &call->prepare))
        return error_set(err, ERR_BAD_INPUT,
                         "instances[%zu] asks for another truncation, normalization, prompt or dimensions "
                         "than instances[0], want the same for all",
                         index);
    request->parts[index] = (struct vertex_part){call->inputs, call->count, call->reply};
    request->texts += call->count;
    return true;
}

static bool join_parts(struct vertex_request *request, struct call *call, struct error *err)
{
    if (!call_set_count(call, request->texts, "texts of instances", err))
        return false;
    struct input *at = call->inputs;
    for (size_t i = 0; i < request->count; i++) {
        memcpy(at, request->parts[i].inputs, request->parts[i].count * sizeof *at);
        at += request->parts[i].count;
    }
    call->reply = (struct reply){.is_list = true, .vertex = request};
    return true;
}

static bool read(yyjson_val *root, struct call *call, struct error *err)
{
    const struct prepare_options plain = call->prepare;
    yyjson_val *instances = yyjson_obj_get(root, "instances"), *instance;
    size_t index, count = yyjson_arr_size(instances);
    if (!serves_instances(call_model(call)))
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%.100s has no labels, ranks or embeddings of texts",
                         api_model_name(call->api));
    if (!yyjson_is_arr(instances))
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"instances\" is %s, want a list of requests such as "
                         "{\"inputs\": \"a text\"}",
                         instances ? json_type_words(instances) : "missing");
    if (count == 0)
        return error_set(err, ERR_EMPTY_INPUT, "the field \"instances\" is an empty list");
    if (count > MAX_SPLIT_TEXTS)
        return error_set(err, ERR_TOO_MANY,
                         "the field \"instances\" has %zu requests, at most %d may come in one", count,
                         MAX_SPLIT_TEXTS);
    struct vertex_request *request = arena_calloc(&call->arena, 1, sizeof *request);
    struct vertex_part *parts = arena_calloc(&call->arena, count, sizeof *parts);
    if (!request || !parts)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu instances", count);
    *request = (struct vertex_request){parts, count, 0};
    yyjson_arr_foreach (instances, index, count, instance)
        if (!read_part(instance, index, &plain, request, call, err))
            return false;
    return join_parts(request, call, err);
}

static void write(struct call *call, struct buf *out)
{
    const struct vertex_request *request = call->reply.vertex;
    const struct call whole = *call;
    buf_puts(out, "{\"predictions\":[");
    for (size_t i = 0, at = 0; i < request->count; at += request->parts[i++].count) {
        buf_puts(out, i ? "," : "");
        call->inputs = whole.inputs + at;
        call->job.items = call->items = whole.items + at;
        call->job.count = call->count = request->parts[i].count;
        call->reply = request->parts[i].reply;
        operation_of(call_model(call))->write(call, out);
    }
    buf_puts(out, "]}");
    call->inputs = whole.inputs;
    call->job.items = call->items = whole.items;
    call->job.count = call->count = whole.count;
    call->reply = whole.reply;
}

const struct operation tei_vertex = {
    .read = read, .serves = serves_instances, .write = write, .splits_lists = true, .has_times = true};
