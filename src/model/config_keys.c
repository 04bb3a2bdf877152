#include "model/config_keys.h"

#include <string.h>

bool config_int(yyjson_val *root, const char *key, int fallback, int min, int max, int *out,
                struct error *err)
{
    yyjson_val *value = key ? yyjson_obj_get(root, key) : NULL;
    *out = fallback;
    if (!value)
        return true;
    if (!yyjson_is_num(value))
        return error_set(err, ERR_BAD_MODEL, "config.json: %s is %s, want a whole number from %d to %d", key,
                         json_type_words(value), min, max);
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) < (uint64_t)min ||
        yyjson_get_uint(value) > (uint64_t)max)
        return error_set(err, ERR_BAD_MODEL, "config.json: %s is %g, want a whole number from %d to %d", key,
                         yyjson_get_num(value), min, max);
    *out = (int)yyjson_get_uint(value);
    return true;
}

bool config_signed(yyjson_val *root, const char *key, int fallback, int max, int *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (yyjson_is_sint(value)) {
        *out = -1;
        return true;
    }
    return config_int(root, key, fallback, 0, max, out, err);
}

bool config_number(yyjson_val *root, const char *key, float fallback, float min, float max, float *out,
                   struct error *err)
{
    yyjson_val *value = key ? yyjson_obj_get(root, key) : NULL;
    double number = value ? yyjson_get_num(value) : (double)fallback;
    *out = (float)number;
    if (!value || (yyjson_is_num(value) && number >= (double)min && number <= (double)max))
        return true;
    if (!yyjson_is_num(value))
        return error_set(err, ERR_BAD_MODEL, "config.json: %s is %s, want a number from %g to %g", key,
                         json_type_words(value), (double)min, (double)max);
    return error_set(err, ERR_BAD_MODEL, "config.json: %s is %g, want a number from %g to %g", key, number,
                     (double)min, (double)max);
}

bool config_bool(yyjson_val *root, const char *key, bool fallback, bool *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    *out = value ? yyjson_is_true(value) : fallback;
    return !value || yyjson_is_bool(value) ||
           error_set(err, ERR_BAD_MODEL, "config.json: %s is %s, want true or false", key,
                     json_type_words(value));
}

static const struct {
    const char *name;
    enum activation activation;
} activations[] = {
    {"gelu", ACT_GELU_ERF},
    {"gelu_python", ACT_GELU_ERF},
    {"gelu_new", ACT_GELU_TANH},
    {"gelu_fast", ACT_GELU_TANH},
    {"gelu_pytorch_tanh", ACT_GELU_TANH},
    {"relu", ACT_RELU},
    {"silu", ACT_SILU},
    {"swish", ACT_SILU},
    {"tanh", ACT_TANH},
};

bool config_activation(yyjson_val *root, const char *key, const char *fallback, enum activation *out,
                       const char **name, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    const char *said = value ? yyjson_get_str(value) : fallback;
    for (size_t i = 0; said && i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].name, said) == 0) {
            *out = activations[i].activation;
            if (name)
                *name = activations[i].name;
            return true;
        }
    }
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "config.json: %s is %s%.40s, linnet supports gelu, gelu_python, gelu_new, gelu_fast, "
                     "gelu_pytorch_tanh, relu, silu, swish and tanh",
                     key, said ? "" : json_type_words(value), said ? said : "");
}

bool config_require_string(yyjson_val *root, const char *key, const char *allowed, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!value || yyjson_is_null(value) || yyjson_equals_str(value, allowed))
        return true;
    return error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is %s%.60s, linnet supports \"%s\"", key,
                     yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "", allowed);
}

bool config_require_number(yyjson_val *root, const char *key, double allowed, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!value || yyjson_is_null(value) || (yyjson_is_num(value) && yyjson_get_num(value) == allowed))
        return true;
    if (!yyjson_is_num(value))
        return error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is %s, linnet supports %g", key,
                         json_type_words(value), allowed);
    return error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is %g, linnet supports %g", key,
                     yyjson_get_num(value), allowed);
}

bool config_require_absent(yyjson_val *root, const char *key, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!value || yyjson_is_null(value) || yyjson_is_false(value))
        return true;
    if (!yyjson_is_num(value))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "config.json: %s is set; linnet runs encoders without it", key);
    return yyjson_get_num(value) == 0 ||
           error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is %g; linnet runs encoders without it",
                     key, yyjson_get_num(value));
}
