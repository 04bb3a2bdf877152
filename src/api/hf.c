/* Hugging Face's dialect, as transformers' text-classification pipeline takes and returns it (version 5.23,
 * pipelines/text_classification.py): {"inputs": ..., "parameters": {...}}. */
#include <stdio.h>
#include <string.h>

#include "api/dialects.h"
#include "api/embed.h"
#include "api/fields.h"
#include "api/hf_tasks.h"
#include "api/internal.h"

/* A text alone or {"text", "text_pair"}. */
static bool read_text(yyjson_val *value, struct call *call, size_t index, const char *field,
                      struct error *err)
{
    if (!yyjson_is_obj(value))
        return call_add_text(call, index, false, value, field, err);
    size_t i, count;
    yyjson_val *key, *child, *text = yyjson_obj_get(value, "text"),
                             *pair = yyjson_obj_get(value, "text_pair");
    yyjson_obj_foreach (value, i, count, key, child) {
        if (!yyjson_equals_str(key, "text") && !yyjson_equals_str(key, "text_pair"))
            return error_set(err, ERR_BAD_INPUT,
                             "%s has the unknown field \"%.60s\", want \"text\" and perhaps \"text_pair\"",
                             field, yyjson_get_str(key));
    }
    if (!text)
        return error_set(err, ERR_BAD_INPUT, "%s is an object without \"text\"", field);
    if (!call_add_text(call, index, false, text, field, err))
        return false;
    return !pair || yyjson_is_null(pair) || call_add_text(call, index, true, pair, field, err);
}

static bool read_inputs(yyjson_val *inputs, struct call *call, struct error *err)
{
    if (!inputs)
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"inputs\" is missing, want {\"inputs\": \"a text\"}");
    call->reply.is_list = yyjson_is_arr(inputs);
    call->reply.is_object = yyjson_is_obj(inputs);
    if (!call->reply.is_list) {
        if (!yyjson_is_str(inputs) && !call->reply.is_object)
            return error_set(
                err, ERR_BAD_INPUT,
                "the field \"inputs\" is %s, want a string, an object with \"text\", or a list of these",
                json_type_words(inputs));
        return call_set_count(call, 1, "inputs", err) &&
               read_text(inputs, call, 0, "the field \"inputs\"", err);
    }
    if (!call_set_count(call, yyjson_arr_size(inputs), "inputs", err))
        return false;
    size_t index, count;
    yyjson_val *element;
    yyjson_arr_foreach (inputs, index, count, element) {
        char field[48];
        snprintf(field, sizeof field, "the field \"inputs[%zu]\"", index);
        if (!read_text(element, call, index, field, err))
            return false;
    }
    return true;
}

/* --- Parameters */

static bool read_top_k(yyjson_val *value, struct call *call, struct error *err)
{
    int labels = call_model(call)->label_count;
    call->reply.has_top_k = true;
    call->reply.top_k = labels;
    if (yyjson_is_null(value))
        return true;
    char words[JSON_WORDS_SIZE];
    uint64_t number;
    if (!field_whole(value, &number) || number == 0)
        return error_set(
            err, ERR_BAD_INPUT,
            "the parameter \"top_k\" is %s, want a whole number of at least 1, or null for all labels",
            json_value_words(value, words));
    if (number < (uint64_t)labels)
        call->reply.top_k = (int)number;
    return true;
}

static bool read_function(yyjson_val *value, struct call *call, struct error *err)
{
    if (yyjson_is_null(value))
        return true;
    if (yyjson_is_str(value) &&
        score_function_parse(yyjson_get_str(value), yyjson_get_len(value), &call->reply.function))
        return true;
    return error_set(
        err, ERR_BAD_INPUT,
        "the parameter \"function_to_apply\" is %s%.40s, want \"softmax\", \"sigmoid\" or \"none\"",
        yyjson_is_str(value) ? "" : json_type_words(value),
        yyjson_is_str(value) ? yyjson_get_str(value) : "");
}

static const struct {
    const char *name;
    bool truncate;
    enum truncation strategy;
} truncations[] = {
    {"longest_first", true, TRUNCATE_LONGEST_FIRST},
    {"only_first", true, TRUNCATE_ONLY_FIRST},
    {"only_second", true, TRUNCATE_ONLY_SECOND},
    {"do_not_truncate", false, TRUNCATE_LONGEST_FIRST},
};

static bool read_truncation(yyjson_val *value, struct call *call, struct error *err)
{
    if (yyjson_is_null(value))
        return true;
    if (yyjson_is_bool(value)) {
        call->prepare.truncate = yyjson_get_bool(value);
        return true;
    }
    for (size_t i = 0; i < sizeof truncations / sizeof *truncations; i++) {
        if (yyjson_equals_str(value, truncations[i].name)) {
            call->prepare.truncate = truncations[i].truncate;
            call->prepare.strategy = truncations[i].strategy;
            return true;
        }
    }
    return error_set(err, ERR_BAD_INPUT,
                     "the parameter \"truncation\" is %s%.40s, want true, false, \"longest_first\", "
                     "\"only_first\", \"only_second\" or "
                     "\"do_not_truncate\"",
                     yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "");
}

static bool read_max_length(yyjson_val *value, struct call *call, struct error *err)
{
    if (yyjson_is_null(value))
        return true;
    char words[JSON_WORDS_SIZE];
    uint64_t number;
    if (!field_whole(value, &number) || number == 0)
        return error_set(err, ERR_BAD_INPUT,
                         "the parameter \"max_length\" is %s, want a whole number of at least 1",
                         json_value_words(value, words));
    call->prepare.max_tokens = (size_t)number;
    return true;
}

static const struct {
    const char *name;
    bool (*read)(yyjson_val *value, struct call *call, struct error *err);
} parameters_known[] = {
    {"top_k", read_top_k},
    {"function_to_apply", read_function},
    {"truncation", read_truncation},
    {"max_length", read_max_length},
};

static bool read_parameter(yyjson_val *key, yyjson_val *value, struct call *call, struct error *err)
{
    for (size_t i = 0; i < sizeof parameters_known / sizeof *parameters_known; i++)
        if (yyjson_equals_str(key, parameters_known[i].name))
            return parameters_known[i].read(value, call, err);
    return error_set(
        err, ERR_BAD_INPUT,
        "the parameter \"%.60s\" is unknown, want top_k, function_to_apply, truncation or max_length",
        yyjson_get_str(key));
}

static bool read_parameters(yyjson_val *parameters, struct call *call, struct error *err)
{
    if (!parameters || yyjson_is_null(parameters))
        return true;
    if (!yyjson_is_obj(parameters))
        return error_set(err, ERR_BAD_INPUT, "the field \"parameters\" is %s, want an object",
                         json_type_words(parameters));
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach (parameters, index, count, key, value) {
        if (!read_parameter(key, value, call, err))
            return false;
    }
    /* As in transformers, max_length alone switches truncation on; "truncation": false keeps it off. */
    yyjson_val *truncation = yyjson_obj_get(parameters, "truncation");
    if (call->prepare.max_tokens && (!truncation || yyjson_is_null(truncation)))
        call->prepare.truncate = true;
    return true;
}

/* Embeddings, or the similarity of a sentence and others, as huggingface_hub's client asks for both; or
 * sparse embeddings, as text-embeddings-inference has it. */
static bool read_of_embedder(yyjson_val *root, struct call *call, struct error *err)
{
    if (strcmp(http_path(call->x), "/age") == 0)
        return error_set(err, ERR_BAD_INPUT,
                         "/age has no embeddings, and the task here is %s: send the request to /",
                         call_model(call)->task_name);
    if (serves_sparse(call_model(call)))
        return embed_sparse_read(root, call, err);
    call->reply.is_object = yyjson_is_obj(yyjson_obj_get(root, "inputs"));
    return call->reply.is_object ? similarity_read(root, call, err) : embed_read(root, call, err);
}

static bool hf_read(yyjson_val *root, struct call *call, struct error *err)
{
    if (!yyjson_is_obj(root))
        return error_set(err, ERR_BAD_INPUT,
                         "the body is %s, want an object such as {\"inputs\": \"a text\"}",
                         json_type_words(root));
    if (call_model(call)->result == RESULT_JSON)
        return pipeline_read(root, call, err);
    if (call_model(call)->task == TASK_FEATURE_EXTRACTION || serves_sparse(call_model(call)))
        return read_of_embedder(root, call, err);
    const struct task_form *form = task_form_find(call_model(call)->task);
    if (form)
        return form->read(root, call, err);
    if (call_model(call)->task != TASK_TEXT_CLASSIFICATION)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s classifies texts, the task here is %s",
                         http_path(call->x), call_model(call)->task_name);
    return read_inputs(yyjson_obj_get(root, "inputs"), call, err) &&
           read_parameters(yyjson_obj_get(root, "parameters"), call, err);
}

/* A reranker's client may send to / what text-embeddings-inference takes at /rerank. */
static bool root_read(yyjson_val *root, struct call *call, struct error *err)
{
    bool ranks =
        serves_ranks(call_model(call)) && yyjson_obj_get(root, "query") && !yyjson_obj_get(root, "inputs");
    call->reply.is_ranking = ranks;
    return ranks ? tei_rerank.read(root, call, err) : hf_read(root, call, err);
}

static bool hosted_read(yyjson_val *root, struct call *call, struct error *err)
{
    call->reply.is_nested = true;
    if (!api_check_model(call->api, call->x, err) || !hf_read(root, call, err))
        return false;
    if (!call->reply.has_top_k)
        call->reply.top_k = call_model(call)->label_count;
    return true;
}

/* --- The answer: its shape follows what was sent, and whether top_k was there at all. */

static void put_text(const struct call *call, size_t index, struct buf *out)
{
    if (!call->reply.has_top_k && !call->reply.is_nested) {
        call_put_labels(call, index, call->reply.function, 1, out);
        return;
    }
    buf_putc(out, '[');
    call_put_labels(call, index, call->reply.function, call->reply.top_k, out);
    buf_putc(out, ']');
}

static void hf_write(struct call *call, struct buf *out)
{
    const struct reply *reply = &call->reply;
    if (call_model(call)->result == RESULT_JSON) {
        pipeline_write(call, out);
        return;
    }
    const struct task_form *form = task_form_find(call_model(call)->task);
    if (form) {
        task_form_write(form, call, out);
        return;
    }
    if (serves_sparse(call_model(call))) {
        embed_sparse_write(call, out);
        return;
    }
    if (call_model(call)->task == TASK_FEATURE_EXTRACTION) {
        if (reply->is_object)
            similarity_write(call, out);
        else
            embed_write(call, out);
        return;
    }
    /* A single string without top_k comes back as a list of one, a single object bare: the pipeline's own
     * oddity. */
    bool outer = reply->is_list || reply->is_nested || (!reply->has_top_k && !reply->is_object);
    if (outer)
        buf_putc(out, '[');
    for (size_t i = 0; i < call->job.count; i++) {
        if (i)
            buf_putc(out, ',');
        put_text(call, i, out);
    }
    if (outer)
        buf_putc(out, ']');
}

static struct answer_kind hf_kind_of(enum error_kind kind)
{
    switch (kind) {
    case ERR_BAD_JSON:
        return (struct answer_kind){400, "bad_json"};
    case ERR_BAD_INPUT:
    case ERR_EMPTY_INPUT:
    case ERR_TOO_MANY:
    case ERR_UNSUPPORTED_MODEL:
        return (struct answer_kind){422, error_kind_name(kind)};
    case ERR_NOT_FOUND:
        return (struct answer_kind){404, error_kind_name(kind)};
    case ERR_TOO_LONG:
    case ERR_TOO_LARGE:
        return (struct answer_kind){413, error_kind_name(kind)};
    case ERR_OVERLOADED:
        return (struct answer_kind){429, "overloaded"};
    case ERR_LOADING:
    case ERR_SHUTTING_DOWN:
        return (struct answer_kind){503, error_kind_name(kind)};
    case ERR_DEADLINE:
        return (struct answer_kind){504, "deadline"};
    default:
        return (struct answer_kind){500, error_kind_name(kind)};
    }
}

static void root_write(struct call *call, struct buf *out)
{
    (call->reply.is_ranking ? tei_rerank.write : hf_write)(call, out);
}

const struct operation hf_operation = {.read = root_read, .write = root_write};
const struct operation age_operation = {
    .read = hf_read, .serves = serves_tasks, .prefers = serves_labels, .write = hf_write};
const struct operation hf_hosted_operation = {.read = hosted_read, .write = hf_write};

const struct dialect hf_dialect = {"Hugging Face", hf_kind_of, put_error, "Error"};
const struct dialect own_dialect = {"linnet", hf_kind_of, put_error, "Error"};
