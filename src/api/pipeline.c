/* Hugging Face's dialect where Python computes: {"inputs": ..., "parameters": {...}} is handed to the
 * pipeline as it is, each input of a list as an item of its own, and the JSON that comes back is the
 * pipeline's own. */
#include <stdio.h>
#include <string.h>

#include "api/internal.h"

/* linnet's own affair: batches are made of many requests, processes of Python are workers. */
static const char *const refused_parameters[] = {"batch_size", "num_workers"};

/* With these a list of strings is one input. */
static const char *const joining_parameters[] = {"is_split_into_words", "offset_mapping"};

/* Adds `parameter`, such as "top_k":null, to those of the request. */
static bool add_parameter(struct call *call, const char *parameter)
{
    struct prepare_options *prepare = &call->prepare;
    const char *before = prepare->parameters ? prepare->parameters : "{}";
    size_t kept = strlen(before) - strlen("}"), size = kept + strlen(parameter) + sizeof ",}";
    char *text = arena_alloc(&call->arena, size);
    if (!text)
        return false;
    int length =
        snprintf(text, size, "%.*s%s%s}", (int)kept, before, kept > strlen("{") ? "," : "", parameter);
    prepare->parameters = text;
    prepare->parameters_length = (size_t)length;
    return true;
}

/* What a classifier is to be told where the request says nothing about it: --auto-truncate's truncation, and
 * that all labels are wanted where the path's answers have them. */
static bool add_defaults(yyjson_val *parameters, struct call *call)
{
    if (call_model(call)->task != TASK_TEXT_CLASSIFICATION)
        return true;
    bool truncates = call->prepare.truncate && !yyjson_obj_get(parameters, "truncation") &&
                     !yyjson_obj_get(parameters, "max_length");
    bool ranks_all = call->reply.is_nested && !yyjson_obj_get(parameters, "top_k");
    return (!truncates || add_parameter(call, "\"truncation\":true")) &&
           (!ranks_all || add_parameter(call, "\"top_k\":null"));
}

static bool read_parameters(yyjson_val *parameters, struct call *call, struct error *err)
{
    if (!parameters || yyjson_is_null(parameters))
        return add_defaults(NULL, call) || error_set(err, ERR_NO_MEMORY, "no memory for the parameters");
    if (!yyjson_is_obj(parameters))
        return error_set(err, ERR_BAD_INPUT, "the field \"parameters\" is %s, want an object",
                         json_type_words(parameters));
    for (size_t i = 0; i < sizeof refused_parameters / sizeof *refused_parameters; i++)
        if (yyjson_obj_get(parameters, refused_parameters[i]))
            return error_set(
                err, ERR_BAD_INPUT,
                "the parameter \"%s\" is not a request's to set; see serve --batch-size and --workers",
                refused_parameters[i]);
    call->prepare.parameters = json_write(parameters, &call->arena, &call->prepare.parameters_length);
    return (call->prepare.parameters && add_defaults(parameters, call)) ||
           error_set(err, ERR_NO_MEMORY, "no memory for the parameters");
}

/* A list whose elements are inputs of their own: all strings, or all objects. */
static bool is_list_of_inputs(const struct call *call, yyjson_val *inputs, yyjson_val *parameters)
{
    size_t index, count;
    yyjson_val *element, *first = yyjson_arr_get_first(inputs);
    if (!call_model(call)->batches || !yyjson_is_arr(inputs))
        return false;
    for (size_t i = 0; i < sizeof joining_parameters / sizeof *joining_parameters; i++)
        if (yyjson_obj_get(parameters, joining_parameters[i]))
            return false;
    yyjson_arr_foreach (inputs, index, count, element)
        if (!(yyjson_is_str(element) || yyjson_is_obj(element)) ||
            yyjson_get_type(element) != yyjson_get_type(first))
            return false;
    return true;
}

/* Whether the answer is a list with one of labels for each text, also for a text alone. */
static bool nests(const struct call *call)
{
    return call->reply.is_nested && call_model(call)->task == TASK_TEXT_CLASSIFICATION;
}

static bool set_input(struct call *call, size_t index, yyjson_val *value, struct error *err)
{
    struct input *input = &call->inputs[index];
    input->json = json_write(value, &call->arena, &input->json_length);
    return input->json || error_set(err, ERR_NO_MEMORY, "no memory for an input");
}

static bool read_inputs(yyjson_val *inputs, yyjson_val *parameters, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *element;
    if (!inputs)
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"inputs\" is missing, want {\"inputs\": \"a text\"}");
    if (!is_list_of_inputs(call, inputs, parameters)) {
        bool alone = call_model(call)->batches && (yyjson_is_str(inputs) || yyjson_is_obj(inputs));
        call->prepare.form = !alone ? INPUT_WHOLE : nests(call) ? INPUT_IN_LIST : INPUT_SINGLE;
        call->reply.is_list = alone && nests(call);
        return call_set_count(call, 1, "inputs", err) && set_input(call, 0, inputs, err);
    }
    bool only = yyjson_arr_size(inputs) == 1 && !nests(call);
    call->prepare.form = only ? INPUT_ONLY_IN_LIST : INPUT_IN_LIST;
    call->reply.is_list = call->prepare.form == INPUT_IN_LIST;
    if (!call_set_count(call, yyjson_arr_size(inputs), "inputs", err))
        return false;
    yyjson_arr_foreach (inputs, index, count, element)
        if (!set_input(call, index, element, err))
            return false;
    return true;
}

bool pipeline_read(yyjson_val *root, struct call *call, struct error *err)
{
    const struct model_desc *desc = call_model(call);
    if (strcmp(http_path(call->x), "/age") == 0 && desc->task != TASK_TEXT_CLASSIFICATION)
        return error_set(err, ERR_BAD_INPUT,
                         "/age classifies texts, the task here is %s: send the request to /",
                         desc->task_name);
    yyjson_val *parameters = yyjson_obj_get(root, "parameters");
    return read_parameters(parameters, call, err) &&
           read_inputs(yyjson_obj_get(root, "inputs"), parameters, call, err);
}

void pipeline_write(const struct call *call, struct buf *out)
{
    if (call->reply.is_list)
        buf_putc(out, '[');
    for (size_t i = 0; i < call->job.count; i++) {
        if (i)
            buf_putc(out, ',');
        buf_append(out, call->job.items[i].answer, call->job.items[i].answer_length);
    }
    if (call->reply.is_list)
        buf_putc(out, ']');
}
