#include "model/config.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config_keys.h"
#include "model/family.h"
#include "model/files.h"

enum {
    /* Far past any published encoder; small enough that products of two sizes fit an int. */
    MAX_SIZE = 32768,
    MAX_LAYERS = 1024,
    MAX_INNER_LAYERS = 64,
    MAX_VOCAB = 16 << 20,
    MAX_LABELS = 65536,
    MAX_TYPES = 256,
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

/* Appends to the message, as far as it has room. */
static void add_word(struct error *err, bool first, const char *word)
{
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, "%s \"%s\"", first ? "" : ",", word);
}

/* NULL where the family has no such head. */
static const struct head *choose_head(const struct family *family, const char *name, enum head_wish wish)
{
    const struct head *said = name ? family_head(family, name) : NULL;
    bool classifies = said && (said->kind == HEAD_CLASSIFICATION || said->kind == HEAD_TOKEN_CLASSIFICATION);
    if (wish == HEAD_OF_FEATURES || (wish == HEAD_OF_EMBEDDINGS && !classifies))
        return family_bare(family);
    return name ? said : family_head(family, NULL);
}

/* The form of the architecture's head that config.json asks for, where there are two. */
static bool choose_form(yyjson_val *root, struct model_config *out, struct error *err)
{
    const struct head *other = out->head + 1;
    bool first;
    if (!other->unless_key)
        return true;
    if (!config_bool(root, other->unless_key, true, &first, err))
        return false;
    out->head += !first;
    return true;
}

static bool read_architecture(yyjson_val *root, enum head_wish wish, struct model_config *out,
                              struct error *err)
{
    yyjson_val *architecture = yyjson_arr_get_first(yyjson_obj_get(root, "architectures"));
    const char *name = yyjson_get_str(architecture);
    out->head = architecture && !name ? NULL : choose_head(out->family, name, wish);
    if (out->head)
        return choose_form(root, out, err);
    if (wish == HEAD_OF_FEATURES)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "linnet has no feature-extraction for model_type \"%s\"",
                         out->family->model_type);
    error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: architectures is [\"%.80s\"], linnet supports for %s",
              name ? name : "?", out->family->model_type);
    for (const struct head *head = out->family->heads; head->architecture; head++)
        if (!head->unless_key)
            add_word(err, head == out->family->heads, head->architecture);
    return false;
}

static bool read_family(yyjson_val *root, enum head_wish wish, struct model_config *out, struct error *err)
{
    const char *type = yyjson_get_str(yyjson_obj_get(root, "model_type"));
    if (!type)
        return error_set(err, ERR_BAD_MODEL,
                         "config.json: model_type is missing, want a string such as \"bert\"");
    out->family = family_find(type);
    if (!out->family) {
        error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: model_type is \"%.60s\", linnet supports", type);
        for (const struct family *family = families; family->model_type; family++)
            add_word(err, family == families, family->model_type);
        return false;
    }
    return read_architecture(root, wish, out, err);
}

/* Which of a key's two names counts. */
static const char *named(yyjson_val *root, const char *alias, const char *key)
{
    return alias && yyjson_obj_get(root, alias) ? alias : key;
}

static bool read_sizes(yyjson_val *root, struct model_config *out, struct error *err)
{
    const struct family_keys *keys = out->family->keys;
    const char *hidden = named(root, keys->hidden_alias, keys->hidden);
    const char *heads = named(root, keys->heads_alias, keys->heads);
    const struct family_defaults *defaults = &out->family->defaults;
    const struct {
        const char *key;
        int fallback, max, *out;
    } sizes[] = {
        {"vocab_size", defaults->vocab, MAX_VOCAB, &out->vocab_size},
        {hidden, defaults->hidden, MAX_SIZE, &out->hidden},
        {keys->embedding, defaults->embedding, MAX_SIZE, &out->embedding},
        {heads, defaults->heads, MAX_SIZE, &out->heads},
        {keys->intermediate, defaults->intermediate, MAX_SIZE, &out->intermediate},
        {keys->type_vocab, defaults->type_vocab, MAX_TYPES, &out->type_vocab},
        {"max_position_embeddings", defaults->positions, MAX_POSITIONS, &out->max_positions},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!config_int(root, sizes[i].key, sizes[i].fallback, sizes[i].fallback > 0, sizes[i].max,
                        sizes[i].out, err))
            return false;
    if (!keys->embedding)
        out->embedding = out->hidden;
    out->projects = out->family->always_projects || out->embedding != out->hidden;
    if (out->hidden % out->heads != 0)
        return error_set(err, ERR_BAD_MODEL, "config.json: %s %d is not a multiple of %s %d", hidden,
                         out->hidden, heads, out->heads);
    return true;
}

static bool read_layers(yyjson_val *root, struct model_config *out, struct error *err)
{
    const struct family_keys *keys = out->family->keys;
    const struct family_defaults *defaults = &out->family->defaults;
    const char *layers = named(root, keys->layers_alias, keys->layers);
    if (!config_int(root, layers, defaults->layers, 1, MAX_LAYERS, &out->layers, err))
        return false;
    if (!keys->groups) {
        out->groups = out->layers;
        out->inner_layers = 1;
        return true;
    }
    return config_int(root, keys->groups, defaults->groups, 1, out->layers, &out->groups, err) &&
           config_int(root, keys->inner_layers, defaults->inner_layers, 1, MAX_INNER_LAYERS,
                      &out->inner_layers, err);
}

int config_walked_layers(const struct model_config *config)
{
    return config->layers * config->inner_layers;
}

double config_token_operations(const struct model_config *config)
{
    const double hidden = config->hidden, intermediate = config->intermediate;
    const int attention = 4, forward = config->family->names->gate ? 3 : 2; /* matrices */
    const double elements = attention * hidden * hidden + forward * hidden * intermediate;
    return 2 * elements * config_walked_layers(config);
}

int config_stored_layers(const struct model_config *config)
{
    return config->groups * config->inner_layers;
}

int config_stored_layer(const struct model_config *config, int walked)
{
    int layer = walked / config->inner_layers, inner = walked % config->inner_layers;
    /* Rounded as in transformers' AlbertTransformer. */
    int group = (int)(layer / ((double)config->layers / config->groups));
    return group * config->inner_layers + inner;
}

static bool read_positions(yyjson_val *root, struct model_config *out, struct error *err)
{
    out->max_tokens = out->max_positions;
    if (out->family->positions == POSITIONS_FROM_ZERO)
        return true;
    if (out->family->positions == POSITIONS_AFTER_TOKEN_ONE)
        out->pad = 1;
    else if (!config_int(root, "pad_token_id", out->family->defaults.pad, 0, out->vocab_size - 1, &out->pad,
                         err))
        return false;
    out->max_tokens -= out->pad + 1;
    return out->max_tokens > 0 ||
           error_set(
               err, ERR_BAD_MODEL,
               "config.json: max_position_embeddings is %d, but positions begin at %d, past that of padding",
               out->max_positions, out->pad + 1);
}

static bool read_eps(yyjson_val *root, struct model_config *out, struct error *err)
{
    const char *key = out->family->keys->eps;
    float fallback = out->family->defaults.eps > 0 ? out->family->defaults.eps : 1e-12f;
    return config_number(root, key, fallback, 0, 1, &out->layer_norm_eps, err);
}

static bool read_activations(yyjson_val *root, struct model_config *out, struct error *err)
{
    const struct head *head = out->head;
    const char *key = out->family->keys->activation, *fallback = out->family->defaults.activation;
    out->head_activation = head->activation;
    if (!config_activation(root, key, fallback, &out->activation, &out->activation_name, err))
        return false;
    if (!head->activation_key)
        return true;
    if (strcmp(head->activation_key, key) != 0)
        fallback = "gelu";
    return config_activation(root, head->activation_key, fallback, &out->head_activation, NULL, err);
}

/* Which linear layers and norms have biases. */
static bool read_biases(yyjson_val *root, struct model_config *out, struct error *err)
{
    bool everywhere = out->family->biases == BIASES_EVERYWHERE;
    bool outside = out->family->biases != BIASES_BY_CONFIG;
    const char *output_key = out->head->bias_key;
    out->biases = (struct biases){everywhere, everywhere, outside, outside, true};
    if (output_key && !config_bool(root, output_key, true, &out->biases.head_output, err))
        return false;
    return outside || (config_bool(root, "attention_bias", false, &out->biases.attention, err) &&
                       config_bool(root, "mlp_bias", false, &out->biases.intermediate, err) &&
                       config_bool(root, "norm_bias", false, &out->biases.norms, err) &&
                       config_bool(root, "classifier_bias", false, &out->biases.head_dense, err));
}

static bool read_pooling(yyjson_val *root, struct model_config *out, struct error *err)
{
    const char *key = out->head->pooling_key;
    yyjson_val *value = key ? yyjson_obj_get(root, key) : NULL;
    out->pools_mean = yyjson_equals_str(value, "mean");
    if (!value || out->pools_mean || yyjson_equals_str(value, "cls"))
        return true;
    return error_set(err, ERR_UNSUPPORTED_MODEL, "config.json: %s is %s%.40s, linnet supports cls and mean",
                     key, yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "");
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
    else if (!config_int(root, "num_labels", 2, 1, MAX_LABELS, &out->label_count, err))
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
    bool own = yyjson_equals_str(yyjson_obj_get(quantization, "quant_method"), CONFIG_QUANT_METHOD);
    if (quantization && !yyjson_is_null(quantization) && !own)
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "config.json: quantization_config is set, linnet supports weights stored as F32, F16 or "
            "BF16, or written by linnet quantize");
    return config_require_string(root, "position_embedding_type", "absolute", err) &&
           config_require_absent(root, "is_decoder", err) &&
           config_require_absent(root, "add_cross_attention", err);
}

bool config_read(struct blob json, enum head_wish wish, struct arena *arena, struct model_config *out,
                 struct error *err)
{
    *out = (struct model_config){0};
    yyjson_doc *doc = model_json_read(json, "config.json", arena, err);
    if (!doc)
        return false;
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root))
        return error_set(err, ERR_BAD_MODEL, "config.json: the file holds %s, want an object",
                         json_type_words(root));
    return read_family(root, wish, out, err) && refuse_variants(root, err) && read_sizes(root, out, err) &&
           read_layers(root, out, err) && read_positions(root, out, err) && read_eps(root, out, err) &&
           read_activations(root, out, err) && read_biases(root, out, err) && read_pooling(root, out, err) &&
           config_bool(root, "tie_word_embeddings", true, &out->ties_output, err) &&
           config_read_attention(root, arena, out, err) && read_problem_type(root, out, err) &&
           (out->head->kind == HEAD_NONE || read_labels(root, arena, out, err));
}
