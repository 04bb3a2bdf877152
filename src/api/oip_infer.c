/* The Open Inference Protocol's POST .../infer: a BYTES tensor "text", and perhaps "text_pair", to FP32
 * tensors: "scores" and "logits" of a classifier, "embedding" of an embedding model.
 *
 * Tensors are JSON, or bytes behind the JSON (Triton's extension binary_tensor_data): the field
 * Inference-Header-Content-Length says how long the JSON is, a tensor's parameter binary_data_size how many
 * bytes are its own, in order. An element of BYTES is its length in 4 bytes, then itself; numbers are
 * little-endian.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/dialects.h"
#include "api/fields.h"
#include "api/internal.h"
#include "base/utf8.h"

enum output { OUTPUT_SCORES, OUTPUT_LOGITS, OUTPUT_EMBEDDING, OUTPUTS };

static const char *const output_names[] = {
    [OUTPUT_SCORES] = "scores", [OUTPUT_LOGITS] = "logits", [OUTPUT_EMBEDDING] = "embedding"};

struct oip_request {
    const unsigned char *bytes; /* behind the JSON, those of the tensors not yet read */
    size_t byte_count;
    const char *id; /* NULL: none */
    size_t id_length;
    bool binary_by_default;
    bool asked[OUTPUTS], is_binary[OUTPUTS];
};

static bool split(struct http_exchange *x, size_t *length, struct error *err)
{
    const char *text = http_field(x, "inference-header-content-length");
    struct blob body = http_body(x);
    char *end;
    if (!text)
        return true;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end || text[0] == '-' || value > body.size)
        return error_set(
            err, ERR_BAD_INPUT,
            "the header field Inference-Header-Content-Length is %.40s, and the body has %zu bytes", text,
            body.size);
    *length = (size_t)value;
    return true;
}

/* --- Inputs */

static bool read_shape(yyjson_val *tensor, const char *name, size_t *elements, struct error *err)
{
    size_t index, count;
    yyjson_val *size, *shape = yyjson_obj_get(tensor, "shape");
    *elements = 1;
    if (!yyjson_is_arr(shape) || yyjson_arr_size(shape) == 0)
        return error_set(err, ERR_BAD_INPUT, "the tensor \"%s\" wants a shape, such as [2] for two texts",
                         name);
    yyjson_arr_foreach (shape, index, count, size) {
        uint64_t number;
        if (!field_whole(size, &number) || number > MAX_SPLIT_TEXTS)
            return error_set(err, ERR_BAD_INPUT,
                             "the shape of the tensor \"%s\" has %s where a size up to %d is wanted", name,
                             json_type_words(size), MAX_SPLIT_TEXTS);
        *elements *= (size_t)number;
        if (*elements > MAX_SPLIT_TEXTS)
            return error_set(err, ERR_TOO_MANY, "the tensor \"%s\" has more than %d texts", name,
                             MAX_SPLIT_TEXTS);
    }
    return true;
}

/* Strings at any depth, in order. */
static bool add_data(yyjson_val *data, struct call *call, bool pair, size_t *at, struct error *err)
{
    size_t index, count;
    yyjson_val *element;
    const char *field = pair ? "the tensor \"text_pair\"" : "the tensor \"text\"";
    if (!yyjson_is_arr(data)) {
        if (*at == call->count)
            return error_set(err, ERR_BAD_INPUT, "%s has more data than its shape says, %zu texts", field,
                             call->count);
        return call_add_text(call, (*at)++, pair, data, field, err);
    }
    yyjson_arr_foreach (data, index, count, element)
        if (!add_data(element, call, pair, at, err))
            return false;
    return true;
}

/* The next element of a BYTES tensor, bytes[0..size): NULL where its length does not fit. */
static const char *next_element(const unsigned char **bytes, size_t *size, size_t *length)
{
    if (*size < 4)
        return NULL;
    const unsigned char *at = *bytes;
    *length = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    if (*length > *size - 4)
        return NULL;
    *bytes += 4 + *length;
    *size -= 4 + *length;
    return (const char *)at + 4;
}

static bool add_bytes(struct call *call, bool pair, size_t size, struct error *err)
{
    struct oip_request *request = call->reply.oip;
    const unsigned char *bytes = request->bytes;
    const char *name = pair ? "text_pair" : "text";
    if (size > request->byte_count)
        return error_set(
            err, ERR_BAD_INPUT,
            "the tensor \"%s\" has a binary_data_size of %zu, and %zu bytes are left behind the JSON", name,
            size, request->byte_count);
    request->bytes += size;
    request->byte_count -= size;
    for (size_t i = 0; i < call->count; i++) {
        size_t length = 0;
        const char *text = next_element(&bytes, &size, &length);
        if (!text || !utf8_valid(text, length))
            return error_set(err, ERR_BAD_INPUT, "element %zu of the tensor \"%s\" is %s", i, name,
                             text ? "no UTF-8" : "cut short");
        if (!call_add_bytes(call, i, pair, text, length, err))
            return false;
    }
    return size == 0 || error_set(err, ERR_BAD_INPUT,
                                  "the tensor \"%s\" has %zu bytes more than its shape says", name, size);
}

static bool read_tensor(yyjson_val *tensor, bool pair, struct call *call, struct error *err)
{
    size_t elements, at = 0;
    const char *name = pair ? "text_pair" : "text";
    yyjson_val *data = yyjson_obj_get(tensor, "data"),
               *size = yyjson_obj_get(yyjson_obj_get(tensor, "parameters"), "binary_data_size");
    if (!yyjson_equals_str(yyjson_obj_get(tensor, "datatype"), "BYTES"))
        return error_set(err, ERR_BAD_INPUT, "the tensor \"%s\" wants the datatype BYTES", name);
    if (!read_shape(tensor, name, &elements, err))
        return false;
    if (pair && elements != call->count)
        return error_set(err, ERR_BAD_INPUT, "the tensor \"text_pair\" has %zu texts, \"text\" has %zu",
                         elements, call->count);
    if (!pair && !call_set_count(call, elements, "text", err))
        return false;
    if (yyjson_is_uint(size))
        return add_bytes(call, pair, (size_t)yyjson_get_uint(size), err);
    if (!yyjson_is_arr(data))
        return error_set(err, ERR_BAD_INPUT, "the tensor \"%s\" wants \"data\", a list of strings", name);
    return add_data(data, call, pair, &at, err) &&
           (at == call->count ||
            error_set(err, ERR_BAD_INPUT, "the tensor \"%s\" has %zu texts, its shape says %zu", name, at,
                      call->count));
}

static bool read_inputs(yyjson_val *value, struct call *call, struct error *err)
{
    yyjson_val *first = yyjson_arr_get(value, 0), *second = yyjson_arr_get(value, 1);
    size_t count = yyjson_arr_size(value);
    call->reply.is_list = true;
    if (!yyjson_is_arr(value) || count < 1 || count > 2)
        return error_set(
            err, ERR_BAD_INPUT,
            "the field \"inputs\" wants the tensor \"text\" and perhaps \"text_pair\" behind it");
    if (!yyjson_equals_str(yyjson_obj_get(first, "name"), "text"))
        return error_set(err, ERR_BAD_INPUT, "the first tensor is \"%.60s\", want \"text\"",
                         yyjson_get_str(yyjson_obj_get(first, "name"))
                             ? yyjson_get_str(yyjson_obj_get(first, "name"))
                             : "");
    if (count == 2 && !yyjson_equals_str(yyjson_obj_get(second, "name"), "text_pair"))
        return error_set(err, ERR_BAD_INPUT, "the second tensor may only be \"text_pair\"");
    return read_tensor(first, false, call, err) && (count == 1 || read_tensor(second, true, call, err));
}

/* --- Outputs and the rest */

static bool has_output(const struct call *call, enum output output)
{
    return (output == OUTPUT_EMBEDDING) == (call_model(call)->task == TASK_FEATURE_EXTRACTION);
}

static bool read_output(yyjson_val *tensor, struct call *call, struct error *err)
{
    struct oip_request *request = call->reply.oip;
    yyjson_val *name = yyjson_obj_get(tensor, "name"), *parameters = yyjson_obj_get(tensor, "parameters"),
               *binary = yyjson_obj_get(parameters, "binary_data");
    if (yyjson_obj_get(parameters, "classification"))
        return error_set(err, ERR_BAD_INPUT,
                         "the parameter \"classification\" of an output is not done here");
    for (int i = 0; i < OUTPUTS; i++) {
        if (!has_output(call, (enum output)i) || !yyjson_equals_str(name, output_names[i]))
            continue;
        request->asked[i] = true;
        request->is_binary[i] = binary ? yyjson_is_true(binary) : request->binary_by_default;
        return true;
    }
    return error_set(err, ERR_BAD_INPUT, "the model has no output \"%.60s\", want %s",
                     yyjson_is_str(name) ? yyjson_get_str(name) : "",
                     has_output(call, OUTPUT_EMBEDDING) ? "\"embedding\"" : "\"scores\" or \"logits\"");
}

static bool read_outputs(yyjson_val *value, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *tensor;
    if (!yyjson_is_arr(value))
        return error_set(err, ERR_BAD_INPUT, "the field \"outputs\" is %s, want a list",
                         json_type_words(value));
    yyjson_arr_foreach (value, index, count, tensor)
        if (!read_output(tensor, call, err))
            return false;
    return true;
}

static bool read_parameters(yyjson_val *value, struct call *call, struct error *err)
{
    if (!yyjson_is_obj(value))
        return error_set(err, ERR_BAD_INPUT, "the field \"parameters\" is %s, want an object",
                         json_type_words(value));
    call->reply.oip->binary_by_default = yyjson_is_true(yyjson_obj_get(value, "binary_data_output"));
    yyjson_val *truncate = yyjson_obj_get(value, "truncate");
    return !truncate || read_truncate(truncate, call, err);
}

static bool read_id(yyjson_val *value, struct call *call, struct error *err)
{
    struct oip_request *request = call->reply.oip;
    if (!field_string(value, "id", err))
        return false;
    request->id_length = yyjson_get_len(value);
    request->id = arena_strndup(&call->arena, yyjson_get_str(value), request->id_length);
    return request->id || error_set(err, ERR_NO_MEMORY, "no memory for the request's id");
}

static void ask_for_all(struct call *call)
{
    struct oip_request *request = call->reply.oip;
    for (int i = 0; i < OUTPUTS; i++)
        if (request->asked[i])
            return;
    for (int i = 0; i < OUTPUTS; i++) {
        request->asked[i] = has_output(call, (enum output)i);
        request->is_binary[i] = request->binary_by_default;
    }
}

static bool begin(struct call *call, struct error *err)
{
    const struct model_desc *desc = call_model(call);
    struct blob body = http_body(call->x);
    size_t length = body.size;
    if (!oip_check_model(call->api, call->x, err) || !split(call->x, &length, err))
        return false;
    bool embeds = desc->task == TASK_FEATURE_EXTRACTION;
    if (!serves_tensors(desc))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%.100s has no tensors of scores or embeddings: it is for %s, on the %s engine",
                         api_model_name(call->api), desc->task_name, desc->engine);
    if (embeds && !embedding_begin(call, err))
        return false;
    call->prepare.normalise = NORMALISE_AS_MODEL;
    call->reply.oip = arena_calloc(&call->arena, 1, sizeof *call->reply.oip);
    if (!call->reply.oip)
        return error_set(err, ERR_NO_MEMORY, "no memory for the request");
    call->reply.oip->bytes = body.bytes + length;
    call->reply.oip->byte_count = body.size - length;
    return true;
}

static bool read(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"parameters", false, read_parameters}, /* before the outputs, whose form it may say */
        {"id", false, read_id},
        {"inputs", true, read_inputs},
        {"outputs", false, read_outputs},
    };
    if (!begin(call, err) || !fields_read(root, fields, sizeof fields / sizeof *fields, call, err))
        return false;
    if (call->reply.oip->byte_count)
        return error_set(err, ERR_BAD_INPUT, "%zu bytes behind the JSON belong to no tensor",
                         call->reply.oip->byte_count);
    ask_for_all(call);
    return true;
}

/* --- The answer */

static const float *row_of(const struct call *call, size_t index, enum output output)
{
    if (output != OUTPUT_SCORES)
        return call->items[index].rows;
    score_apply(call_model(call), SCORE_DEFAULT, call->items[index].rows, call->scores);
    return call->scores;
}

static size_t columns_of(const struct call *call)
{
    return call->items[0].columns;
}

static void put_output(const struct call *call, enum output output, struct buf *out)
{
    size_t columns = columns_of(call);
    buf_printf(out, "{\"name\":\"%s\",\"datatype\":\"FP32\",\"shape\":[%zu,%zu],", output_names[output],
               call->count, columns);
    if (call->reply.oip->is_binary[output]) {
        buf_printf(out, "\"parameters\":{\"binary_data_size\":%zu}}", call->count * columns * sizeof(float));
        return;
    }
    buf_puts(out, "\"data\":[");
    for (size_t i = 0; i < call->count; i++) {
        const float *row = row_of(call, i, output);
        for (size_t k = 0; k < columns; k++) {
            if (i || k)
                buf_putc(out, ',');
            json_put_float(out, row[k]);
        }
    }
    buf_puts(out, "]}");
}

static void write(struct call *call, struct buf *out)
{
    const struct oip_request *request = call->reply.oip;
    bool any = false, any_binary = false;
    buf_putc(out, '{');
    json_put_field(out, "model_name", call_model_name(call));
    buf_puts(out, "\"model_version\":\"1\",");
    if (request->id) {
        buf_puts(out, "\"id\":");
        json_put_string(out, request->id, request->id_length);
        buf_putc(out, ',');
    }
    buf_puts(out, "\"outputs\":[");
    for (int i = 0; i < OUTPUTS; i++) {
        if (!request->asked[i])
            continue;
        if (any)
            buf_putc(out, ',');
        put_output(call, (enum output)i, out);
        any = true;
        any_binary = any_binary || request->is_binary[i];
    }
    buf_puts(out, "]}");
    if (!any_binary)
        return;
    call->json_length = out->length;
    for (int i = 0; i < OUTPUTS; i++)
        for (size_t k = 0; request->asked[i] && request->is_binary[i] && k < call->count; k++)
            buf_append(out, row_of(call, k, (enum output)i), columns_of(call) * sizeof(float));
}

const struct operation oip_infer = {
    .read = read, .serves = serves_tensors, .write = write, .split = split, .splits_lists = true};
