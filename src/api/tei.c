/* text-embeddings-inference's dialect, version 1.9: POST /predict {"inputs": ..., "raw_scores", "truncate",
 * "truncation_direction"}. One text is "a" or ["a"], a pair ["a", "b"], a batch a list of such lists. */
#include <stdio.h>

#include "api/dialects.h"
#include "api/fields.h"
#include "api/internal.h"

/* ["a"] or ["a", "b"]. */
static bool read_sequence(yyjson_val *list, struct call *call, size_t index, const char *field,
                          struct error *err)
{
    size_t length = yyjson_arr_size(list);
    if (length != 1 && length != 2)
        return error_set(err, ERR_BAD_INPUT, "%s has %zu texts, want one, or two for a pair", field, length);
    return call_add_text(call, index, false, yyjson_arr_get(list, 0), field, err) &&
           (length == 1 || call_add_text(call, index, true, yyjson_arr_get(list, 1), field, err));
}

static bool read_batch(yyjson_val *inputs, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *sequence;
    call->reply.is_list = true;
    if (!call_set_count(call, yyjson_arr_size(inputs), "inputs", err))
        return false;
    yyjson_arr_foreach (inputs, index, count, sequence) {
        char field[48];
        snprintf(field, sizeof field, "the field \"inputs[%zu]\"", index);
        if (!yyjson_is_arr(sequence))
            return error_set(err, ERR_BAD_INPUT, "%s is %s, want a list of one or two strings", field,
                             json_type_words(sequence));
        if (!read_sequence(sequence, call, index, field, err))
            return false;
    }
    return true;
}

static bool read_inputs(yyjson_val *inputs, struct call *call, struct error *err)
{
    if (yyjson_is_str(inputs))
        return call_set_count(call, 1, "inputs", err) &&
               call_add_text(call, 0, false, inputs, "the field \"inputs\"", err);
    if (!yyjson_is_arr(inputs))
        return error_set(err, ERR_BAD_INPUT, "the field \"inputs\" is %s, want a string or a list",
                         json_type_words(inputs));
    if (yyjson_arr_size(inputs) == 0 || yyjson_is_arr(yyjson_arr_get_first(inputs)))
        return read_batch(inputs, call, err);
    return call_set_count(call, 1, "inputs", err) &&
           read_sequence(inputs, call, 0, "the field \"inputs\"", err);
}

/* The same in the words of transformers' pipeline. */
static bool set_parameters(struct call *call, struct error *err)
{
    char text[100];
    if (call->prepare.truncate && call->prepare.side == TRUNCATE_LEFT)
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"truncation_direction\" is \"Left\", and %.100s runs in Python, whose "
                         "tokenizer decides that: want \"Right\" or none",
                         api_model_name(call->api));
    int length = snprintf(text, sizeof text, "{\"top_k\":null%s%s}",
                          call->reply.function == SCORE_NONE ? ",\"function_to_apply\":\"none\"" : "",
                          call->prepare.truncate ? ",\"truncation\":true" : "");
    call->prepare.form = INPUT_IN_LIST;
    call->prepare.parameters_length = (size_t)length;
    call->prepare.parameters = arena_strndup(&call->arena, text, (size_t)length);
    return call->prepare.parameters || error_set(err, ERR_NO_MEMORY, "no memory for the parameters");
}

static bool tei_read(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"inputs", true, read_inputs},
        {"raw_scores", false, read_raw_scores},
        {"truncate", false, read_truncate},
        {"truncation_direction", false, read_truncation_direction},
    };
    const struct model_desc *desc = call_model(call);
    if (!serves_labels(desc))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "/predict classifies texts, the task here is %s: send requests to /",
                         desc->task_name);
    if (!fields_read(root, fields, sizeof fields / sizeof *fields, call, err))
        return false;
    return desc->result == RESULT_ROWS || set_parameters(call, err);
}

static void tei_write(struct call *call, struct buf *out)
{
    int labels = call_model(call)->label_count;
    if (call_model(call)->result == RESULT_JSON) {
        pipeline_write(call, out);
        return;
    }
    if (call->reply.is_list)
        buf_putc(out, '[');
    for (size_t i = 0; i < call->job.count; i++) {
        buf_puts(out, i ? ",[" : "[");
        call_put_labels(call, i, call->reply.function, labels, out);
        buf_putc(out, ']');
    }
    if (call->reply.is_list)
        buf_putc(out, ']');
}

/* router/src/http/server.rs: the statuses and error types that TEI's clients know. */
static struct answer_kind tei_kind_of(enum error_kind kind)
{
    switch (kind) {
    case ERR_BAD_JSON:
        return (struct answer_kind){400, "Validation"};
    case ERR_BAD_INPUT:
        return (struct answer_kind){422, "Tokenizer"};
    case ERR_EMPTY_INPUT:
        return (struct answer_kind){400, "Empty"};
    case ERR_TOO_MANY:
    case ERR_TOO_LONG:
    case ERR_TOO_LARGE:
        return (struct answer_kind){413, "Validation"};
    case ERR_NOT_FOUND:
        return (struct answer_kind){404, "Validation"};
    case ERR_OVERLOADED:
        return (struct answer_kind){429, "Overloaded"};
    case ERR_LOADING:
    case ERR_SHUTTING_DOWN:
        return (struct answer_kind){503, "Unhealthy"};
    case ERR_DEADLINE:
        return (struct answer_kind){504, "Backend"};
    default:
        return (struct answer_kind){424, "Backend"};
    }
}

const struct operation tei_predict = {
    .read = tei_read, .serves = serves_labels, .write = tei_write, .splits_lists = true, .has_times = true};

const struct dialect tei_dialect = {"text-embeddings-inference", tei_kind_of, put_error, "Error"};
