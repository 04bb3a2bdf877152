#include "model/config.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/family.h"
#include "model/files.h"

enum {
    /* Far past any published encoder; small enough that products of two sizes fit an int. */
    MAX_SIZE = 32768,
    MAX_LAYERS = 1024,
    MAX_VOCAB = 16 << 20,
    MAX_LABELS = 65536,
    MAX_POSITIONS = 1 << 20,
};

const char *problem_type_name(enum problem_type type)
{
    switch (type) {
    case PROBLEM_REGRESSION:
        return "regression";
    case PROBLEM_SINGLE_LABEL:
        return "single_label_classification";
    case PROBLEM_MULTI_LABEL:
        return "multi_label_classification";
    default:
        return NULL;
    }
}

static bool read_int(yyjson_val *root, const char *key, int fallback, int max, int *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    *out = fallback;
    if (!value)
        return true;
    if (!yyjson_is_num(value))
        return error_set(err, ERR_BAD_MODEL, "config.json: %s is %s, want a whole number from 1 to %d", key,
                         json_type_words(value), max);
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) < 1 || yyjson_get_uint(value) > (uint64_t)max)
        return error_set(err, ERR_BAD_MODEL, "config.json: %s is %g, want a whole number from 1 to %d", key,
                         yyjson_get_num(value), max);
    *out = (int)yyjson_get_uint(value);
    return true;
}

/* A key whose only supported value is `allowed`; a missing key or null is that value. */
static bool require_string(yyjson_val *root, const char *key, const char *allowed, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!value || yyjson_is_null(value) || yyjson_equals_str(value, allowed))
        return true;
    return error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is %s%.60s, linnet supports \"%s\"", key,
                     yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "", allowed);
}

static bool require_false(yyjson_val *root, const char *key, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!value || yyjson_is_null(value) || yyjson_is_false(value))
        return true;
    return error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is set; linnet runs encoders without it",
                     key);
}

static bool read_family(yyjson_val *root, struct model_config *out, struct error *err)
{
    const char *type = yyjson_get_str(yyjson_obj_get(root, "model_type"));
    if (!type)
        return error_set(err, ERR_BAD_MODEL,
                         "config.json: model_type is missing, want a string such as \"bert\"");
    out->family = family_find(type);
    if (!out->family) {
        error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: model_type is \"%.60s\", linnet supports", type);
        for (size_t i = 0; family_at(i); i++) {
            size_t used = strlen(err->message);
            snprintf(err->message + used, sizeof err->message - used, "%s \"%s\"", i ? "," : "",
                     family_at(i)->model_type);
        }
        return false;
    }
    yyjson_val *architecture = yyjson_arr_get_first(yyjson_obj_get(root, "architectures"));
    if (architecture && !yyjson_equals_str(architecture, out->family->architecture))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "config.json: architectures is [\"%.80s\"], linnet supports [\"%s\"] for %s",
                         yyjson_get_str(architecture) ? yyjson_get_str(architecture) : "?",
                         out->family->architecture, type);
    return true;
}

static bool read_sizes(yyjson_val *root, struct model_config *out, struct error *err)
{
    const struct family *family = out->family;
    if (!read_int(root, "vocab_size", 30522, MAX_VOCAB, &out->vocab_size, err) ||
        !read_int(root, "max_position_embeddings", 512, MAX_POSITIONS, &out->max_positions, err) ||
        !read_int(root, family->keys.hidden, family->defaults.hidden, MAX_SIZE, &out->hidden, err) ||
        !read_int(root, family->keys.layers, family->defaults.layers, MAX_LAYERS, &out->layers, err) ||
        !read_int(root, family->keys.heads, family->defaults.heads, MAX_SIZE, &out->heads, err) ||
        !read_int(root, family->keys.intermediate, family->defaults.intermediate, MAX_SIZE,
                  &out->intermediate, err))
        return false;
    out->type_vocab = 0;
    if (family->keys.type_vocab && !read_int(root, family->keys.type_vocab, 2, 256, &out->type_vocab, err))
        return false;
    if (out->hidden % out->heads != 0)
        return error_set(err, ERR_BAD_MODEL, "config.json: %s %d is not a multiple of %s %d",
                         family->keys.hidden, out->hidden, family->keys.heads, out->heads);
    return true;
}

static bool read_eps(yyjson_val *root, struct model_config *out, struct error *err)
{
    yyjson_val *value = out->family->keys.eps ? yyjson_obj_get(root, out->family->keys.eps) : NULL;
    double eps = value ? yyjson_get_num(value) : 1e-12;
    if (value && (!yyjson_is_num(value) || !(eps >= 0) || eps > 1))
        return error_set(err, ERR_BAD_MODEL, "config.json: %s is %g, want a number from 0 to 1",
                         out->family->keys.eps, eps);
    out->layer_norm_eps = (float)eps;
    return true;
}

/* The names of transformers' ACT2FN for functions that the kernels have. */
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

static bool read_activation(yyjson_val *root, struct model_config *out, struct error *err)
{
    const char *key = out->family->keys.activation;
    yyjson_val *value = yyjson_obj_get(root, key);
    const char *name = value ? yyjson_get_str(value) : "gelu";
    for (size_t i = 0; name && i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].name, name) == 0) {
            out->activation = activations[i].activation;
            out->activation_name = activations[i].name;
            return true;
        }
    }
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "config.json: %s is %s%.40s, linnet supports gelu, gelu_python, gelu_new, gelu_fast, "
                     "gelu_pytorch_tanh, relu, silu, swish and tanh",
                     key, name ? "" : json_type_words(value), name ? name : "");
}

static bool read_problem_type(yyjson_val *root, struct model_config *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, "problem_type");
    out->problem_type = PROBLEM_UNSET;
    if (!value || yyjson_is_null(value))
        return true;
    for (enum problem_type type = PROBLEM_REGRESSION; type <= PROBLEM_MULTI_LABEL; type++) {
        if (yyjson_equals_str(value, problem_type_name(type))) {
            out->problem_type = type;
            return true;
        }
    }
    return error_set(err, ERR_BAD_MODEL,
                     "config.json: problem_type is %s%.60s, want regression, single_label_classification or "
                     "multi_label_classification",
                     yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "");
}

/* Without id2label the labels are LABEL_0, LABEL_1, ... as transformers names them. */
static bool make_default_labels(int count, const char **labels, struct arena *arena, struct error *err)
{
    for (int i = 0; i < count; i++) {
        char name[32];
        int length = snprintf(name, sizeof name, "LABEL_%d", i);
        labels[i] = arena_strndup(arena, name, (size_t)length);
        if (!labels[i])
            return error_set(err, ERR_NO_MEMORY, "no memory for %d labels", count);
    }
    return true;
}

static bool read_label_map(yyjson_val *map, int count, const char **labels, struct error *err)
{
    size_t index, entries;
    yyjson_val *key, *label;
    yyjson_obj_foreach (map, index, entries, key, label) {
        char *end;
        const char *text = yyjson_get_str(key);
        long id = strtol(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || id >= count || labels[id])
            return error_set(err, ERR_BAD_MODEL,
                             "config.json: id2label has the id \"%.40s\", want each of 0 to %d once", text,
                             count - 1);
        if (!yyjson_is_str(label))
            return error_set(err, ERR_UNSUPPORTED_MODEL,
                             "config.json: id2label[%ld] is %s, linnet supports strings", id,
                             json_type_words(label));
        if (strlen(yyjson_get_str(label)) != yyjson_get_len(label))
            return error_set(err, ERR_UNSUPPORTED_MODEL,
                             "config.json: id2label[%ld] has a NUL character in it", id);
        labels[id] = yyjson_get_str(label);
    }
    return true;
}

static bool read_labels(yyjson_val *root, struct arena *arena, struct model_config *out, struct error *err)
{
    yyjson_val *map = yyjson_obj_get(root, "id2label");
    bool has_map = map && !yyjson_is_null(map);
    if (has_map && (!yyjson_is_obj(map) || yyjson_obj_size(map) == 0 || yyjson_obj_size(map) > MAX_LABELS))
        return error_set(err, ERR_BAD_MODEL,
                         "config.json: id2label is %s with %zu entries, want an object with 1 to %d",
                         json_type_words(map), yyjson_get_len(map), MAX_LABELS);
    if (has_map)
        out->label_count = (int)yyjson_obj_size(map);
    else if (!read_int(root, "num_labels", 2, MAX_LABELS, &out->label_count, err))
        return false;
    const char **labels = arena_calloc(arena, (size_t)out->label_count, sizeof *labels);
    if (!labels)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d labels", out->label_count);
    out->labels = labels;
    return has_map ? read_label_map(map, out->label_count, labels, err)
                   : make_default_labels(out->label_count, labels, arena, err);
}

static bool refuse_variants(yyjson_val *root, struct error *err)
{
    yyjson_val *pruned = yyjson_obj_get(root, "pruned_heads");
    if (pruned && yyjson_get_len(pruned) > 0)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "config.json: pruned_heads is not empty, linnet supports whole heads only");
    yyjson_val *quantization = yyjson_obj_get(root, "quantization_config");
    if (quantization && !yyjson_is_null(quantization))
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "config.json: quantization_config is set, linnet supports weights stored as F32, F16 or BF16");
    return require_string(root, "position_embedding_type", "absolute", err) &&
           require_false(root, "is_decoder", err) && require_false(root, "add_cross_attention", err);
}

bool config_read(struct blob json, struct arena *arena, struct model_config *out, struct error *err)
{
    *out = (struct model_config){0};
    yyjson_doc *doc = model_json_read(json, "config.json", arena, err);
    if (!doc)
        return false;
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root))
        return error_set(err, ERR_BAD_MODEL, "config.json: the file holds %s, want an object",
                         json_type_words(root));
    return read_family(root, out, err) && refuse_variants(root, err) && read_sizes(root, out, err) &&
           read_eps(root, out, err) && read_activation(root, out, err) && read_problem_type(root, out, err) &&
           read_labels(root, arena, out, err);
}
