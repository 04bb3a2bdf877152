#include "api/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "base/base64.h"
#include "base/suggest.h"
#include "engine/embedding.h"

enum { MAX_FIELDS = 16 };

/* --- A table of fields */

static const struct field *find(const struct field fields[], size_t count, yyjson_val *key)
{
    for (size_t i = 0; i < count; i++)
        if (yyjson_equals_str(key, fields[i].name))
            return &fields[i];
    return NULL;
}

static bool refuse_unknown(const struct field fields[], size_t count, const char *key, struct error *err)
{
    const char *names[MAX_FIELDS];
    char known[300] = "";
    size_t length = 0;
    for (size_t i = 0; i < count && i < MAX_FIELDS; i++) {
        names[i] = fields[i].name;
        if (length < sizeof known)
            length +=
                (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = suggest_nearest(key, names, count < MAX_FIELDS ? count : MAX_FIELDS);
    if (near)
        return error_set(err, ERR_BAD_INPUT, "the field \"%.60s\" is unknown; did you mean \"%s\"?", key,
                         near);
    return error_set(err, ERR_BAD_INPUT, "the field \"%.60s\" is unknown, want %s", key, known);
}

bool fields_read(yyjson_val *object, const struct field fields[], size_t count, struct call *call,
                 struct error *err)
{
    size_t index, size;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(object))
        return error_set(err, ERR_BAD_INPUT, "the body is %s, want an object with the field \"%s\"",
                         json_type_words(object), fields[0].name);
    yyjson_obj_foreach (object, index, size, key, value)
        if (!find(fields, count, key))
            return refuse_unknown(fields, count, yyjson_get_str(key), err);
    for (size_t i = 0; i < count; i++) {
        value = yyjson_obj_get(object, fields[i].name);
        if (value && (!yyjson_is_null(value) || fields[i].is_required)) {
            if (!fields[i].read(value, call, err))
                return false;
        } else if (fields[i].is_required) {
            return error_set(err, ERR_BAD_INPUT, "the field \"%s\" is missing", fields[i].name);
        }
    }
    return true;
}

/* --- Values */

bool field_flag(yyjson_val *value, const char *name, bool *out, struct error *err)
{
    if (!yyjson_is_bool(value))
        return error_set(err, ERR_BAD_INPUT, "the field \"%s\" is %s, want true or false", name,
                         json_type_words(value));
    *out = yyjson_get_bool(value);
    return true;
}

bool field_whole(yyjson_val *value, uint64_t *out)
{
    static const double largest = 9007199254740992; /* 2^53: past it a double skips whole numbers */
    if (yyjson_is_uint(value)) {
        *out = yyjson_get_uint(value);
        return true;
    }
    double number = yyjson_get_real(value);
    if (!yyjson_is_real(value) || number < 0 || number > largest || number != floor(number))
        return false;
    *out = (uint64_t)number;
    return true;
}

bool field_size(yyjson_val *value, const char *name, size_t *out, struct error *err)
{
    char words[JSON_WORDS_SIZE];
    uint64_t number;
    if (!field_whole(value, &number) || number == 0)
        return error_set(err, ERR_BAD_INPUT, "the field \"%s\" is %s, want a whole number of at least 1",
                         name, json_value_words(value, words));
    *out = (size_t)number;
    return true;
}

bool field_string(yyjson_val *value, const char *name, struct error *err)
{
    return yyjson_is_str(value) || error_set(err, ERR_BAD_INPUT, "the field \"%s\" is %s, want a string",
                                             name, json_type_words(value));
}

/* --- What is embedded */

static bool add_ids(struct call *call, size_t index, yyjson_val *list, const char *field, struct error *err)
{
    size_t i, count;
    yyjson_val *element;
    struct input *input = &call->inputs[index];
    int32_t *ids = arena_alloc(&call->arena, yyjson_arr_size(list) * sizeof *ids);
    if (!ids)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu token ids", yyjson_arr_size(list));
    yyjson_arr_foreach (list, i, count, element) {
        char words[JSON_WORDS_SIZE];
        uint64_t id;
        if (!field_whole(element, &id) || id > INT32_MAX)
            return error_set(err, ERR_BAD_INPUT, "%s: element %zu is %s, want a token's id", field, i,
                             json_value_words(element, words));
        ids[i] = (int32_t)id;
    }
    if (count == 0)
        return error_set(err, ERR_EMPTY_INPUT, "%s is an empty list of token ids", field);
    input->ids = ids;
    input->id_count = count;
    return true;
}

static bool read_embedded(yyjson_val *value, const char *name, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *element;
    char field[48];
    snprintf(field, sizeof field, "the field \"%s\"", name);
    if (yyjson_is_str(value))
        return call_set_count(call, 1, name, err) && call_add_text(call, 0, false, value, field, err);
    if (!yyjson_is_arr(value))
        return error_set(err, ERR_BAD_INPUT, "%s is %s, want a string, token ids, or a list of either", field,
                         json_type_words(value));
    if (yyjson_is_num(yyjson_arr_get_first(value)))
        return call_set_count(call, 1, name, err) && add_ids(call, 0, value, field, err);
    call->reply.is_list = true;
    if (!call_set_count(call, yyjson_arr_size(value), name, err))
        return false;
    yyjson_arr_foreach (value, index, count, element) {
        snprintf(field, sizeof field, "the field \"%s[%zu]\"", name, index);
        bool added = yyjson_is_arr(element) ? add_ids(call, index, element, field, err)
                                            : call_add_text(call, index, false, element, field, err);
        if (!added)
            return false;
    }
    return true;
}

bool read_token_ids(yyjson_val *value, const char *name, struct call *call, struct error *err)
{
    return read_embedded(value, name, call, err);
}

bool read_embedded_inputs(yyjson_val *value, struct call *call, struct error *err)
{
    return read_embedded(value, "inputs", call, err);
}

bool read_embedded_input(yyjson_val *value, struct call *call, struct error *err)
{
    return read_embedded(value, "input", call, err);
}

static bool require_embeddings(const struct call *call, struct error *err)
{
    const struct model_desc *desc = call_model(call);
    if (serves_embeddings(desc))
        return true;
    if (serves_sparse(desc))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%.100s makes sparse embeddings (SPLADE), and those of this path are dense and have "
                         "length 1: send the request to /embed_sparse",
                         api_model_name(call->api));
    if (desc->task == TASK_FEATURE_EXTRACTION)
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "embeddings on this path want the native engine, and %.100s runs in Python: send the "
            "request to /",
            desc->name);
    return error_set(err, ERR_UNSUPPORTED_MODEL, "%.100s has no embeddings, it is a model for %s",
                     api_model_name(call->api), desc->task_name);
}

static bool take_prompt(struct call *call, struct error *err)
{
    const struct api_options *options = &call->api->options;
    call->prepare.prompt =
        options->default_prompt ? options->default_prompt : embedding_default(call_model(call));
    return !options->default_prompt_name ||
           embedding_prompt(call_model(call), options->default_prompt_name, &call->prepare.prompt, err);
}

bool embedding_begin(struct call *call, struct error *err)
{
    call->prepare.normalise = NORMALISE_ALWAYS;
    return require_embeddings(call, err) && take_prompt(call, err);
}

bool sparse_begin(struct call *call, struct error *err)
{
    const struct model_desc *desc = call_model(call);
    if (!serves_sparse(desc))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%.100s is not an embedding model with SPLADE pooling, it is a model for %s%s",
                         api_model_name(call->api), desc->task_name,
                         desc->task == TASK_FILL_MASK ? ": serve it with --pooling splade" : "");
    return take_prompt(call, err);
}

void put_vector(const float *vector, size_t size, bool is_base64, struct buf *out)
{
    if (is_base64) {
        buf_putc(out, '"');
        base64_put(out, vector, size * sizeof *vector);
        buf_putc(out, '"');
        return;
    }
    for (size_t i = 0; i < size; i++) {
        buf_putc(out, i ? ',' : '[');
        json_put_float(out, vector[i]);
    }
    buf_putc(out, ']');
}

/* --- Readers */

bool read_truncate(yyjson_val *value, struct call *call, struct error *err)
{
    return field_flag(value, "truncate", &call->prepare.truncate, err);
}

bool read_truncation_direction(yyjson_val *value, struct call *call, struct error *err)
{
    bool left = yyjson_equals_str(value, "Left") || yyjson_equals_str(value, "left");
    if (!left && !yyjson_equals_str(value, "Right") && !yyjson_equals_str(value, "right"))
        return error_set(
            err, ERR_BAD_INPUT,
            "the field \"truncation_direction\" is %s%.40s, want \"Left\" or \"Right\": the side that is cut",
            yyjson_is_str(value) ? "" : json_type_words(value),
            yyjson_is_str(value) ? yyjson_get_str(value) : "");
    call->prepare.side = left ? TRUNCATE_LEFT : TRUNCATE_RIGHT;
    return true;
}

bool read_prompt_name(yyjson_val *value, struct call *call, struct error *err)
{
    return field_string(value, "prompt_name", err) &&
           embedding_prompt(call_model(call), yyjson_get_str(value), &call->prepare.prompt, err);
}

bool read_normalize(yyjson_val *value, struct call *call, struct error *err)
{
    bool normalize = true;
    if (!field_flag(value, "normalize", &normalize, err))
        return false;
    call->prepare.normalise = normalize ? NORMALISE_ALWAYS : NORMALISE_NEVER;
    return true;
}

bool read_dimensions(yyjson_val *value, struct call *call, struct error *err)
{
    int columns = call_model(call)->columns;
    size_t dimensions = 0;
    if (!field_size(value, "dimensions", &dimensions, err))
        return false;
    if (dimensions > (size_t)columns)
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"dimensions\" is %zu, the model's embeddings have %d", dimensions,
                         columns);
    call->prepare.dimensions = (int)dimensions;
    return true;
}

bool read_encoding_format(yyjson_val *value, struct call *call, struct error *err)
{
    call->reply.is_base64 = yyjson_equals_str(value, "base64");
    if (call->reply.is_base64 || yyjson_equals_str(value, "float"))
        return true;
    return error_set(err, ERR_BAD_INPUT,
                     "the field \"encoding_format\" is %s%.40s, want \"float\" or \"base64\"",
                     yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "");
}

bool read_raw_scores(yyjson_val *value, struct call *call, struct error *err)
{
    bool raw = false;
    if (!field_flag(value, "raw_scores", &raw, err))
        return false;
    if (raw)
        call->reply.function = SCORE_NONE;
    return true;
}

bool read_model(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return field_string(value, "model", err);
}

bool read_unused_string(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return yyjson_is_str(value) ||
           error_set(err, ERR_BAD_INPUT, "an identifier is %s, want a string", json_type_words(value));
}
