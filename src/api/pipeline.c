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

/* --auto-truncate, for requests that say nothing about it themselves. */
static bool add_truncation(yyjson_val *parameters, struct call *call)
{
    static const char truncation[] = "\"truncation\":true}";
    struct prepare_options *prepare = &call->prepare;
    if (!prepare->truncate || call_model(call)->task != TASK_TEXT_CLASSIFICATION ||
        yyjson_obj_get(parameters, "truncation") || yyjson_obj_get(parameters, "max_length"))
        return true;
    /* The text of an object, whose last byte is its closing brace. */
    size_t kept = prepare->parameters ? prepare->parameters_length - 1 : 0;
    char *text = arena_alloc(&call->arena, kept + sizeof truncation + 1);
    if (!text)
        return false;
    if (kept > 0)
        memcpy(text, prepare->parameters, kept);
    else
        text[kept++] = '{';
    if (kept > 1)
        text[kept++] = ',';
    memcpy(text + kept, truncation, sizeof truncation);
    prepare->parameters = text;
    prepare->parameters_length = kept + sizeof truncation - 1;
    return true;
}

static bool read_parameters(yyjson_val *parameters, struct call *call, struct error *err)
{
    if (!parameters || yyjson_is_null(parameters))
        return add_truncation(NULL, call) || error_set(err, ERR_NO_MEMORY, "no memory for the parameters");
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
    return (call->prepare.parameters && add_truncation(parameters, call)) ||
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
        call->prepare.form = alone ? INPUT_SINGLE : INPUT_WHOLE;
        return call_set_count(call, 1, "inputs", err) && set_input(call, 0, inputs, err);
    }
    call->prepare.form = yyjson_arr_size(inputs) == 1 ? INPUT_ONLY_IN_LIST : INPUT_IN_LIST;
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
