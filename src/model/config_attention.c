#include <math.h>
#include <string.h>

#include "model/config_keys.h"
#include "model/distances.h"
#include "model/family.h"

enum {
    MAX_THETA = 1 << 30, /* past any published model's; its powers fit a float */
    MAX_WINDOW = 1 << 20,
    MAX_ROTATED = 1 << 16, /* positions: no tensor of the file bounds them */
    MAX_SPAN = 32768,
    MAX_DISTANCE = 1 << 20,
    LAYERS_A_GLOBAL = 3,           /* ModernBertConfig's global_attn_every_n_layers */
    MAX_LAYERS_A_GLOBAL = 1 << 20, /* past the layers of any model: only the first is global */
};

/* --- Rotary position embeddings */

/* rope_type, which was called type: transformers reads the older name where the newer is missing. */
static bool require_default_rotation(yyjson_val *parameters, struct error *err)
{
    const char *key = yyjson_obj_get(parameters, "rope_type") ? "rope_type" : "type";
    yyjson_val *type = yyjson_obj_get(parameters, key);
    return !type || yyjson_equals_str(type, "default") ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "config.json: rope_parameters has %s %s%.60s, linnet supports \"default\"", key,
                     yyjson_is_str(type) ? "" : json_type_words(type),
                     yyjson_is_str(type) ? yyjson_get_str(type) : "");
}

/* rope_theta of rope_parameters, or of one of its members; `fallback_key` is its older place. */
static bool read_theta(yyjson_val *root, const char *member, const char *fallback_key, float fallback,
                       float *out, struct error *err)
{
    yyjson_val *parameters = yyjson_obj_get(root, "rope_parameters");
    if (!require_default_rotation(parameters, err))
        return false;
    if (member)
        parameters = yyjson_obj_get(parameters, member);
    if (member && !require_default_rotation(parameters, err))
        return false;
    bool newer = yyjson_obj_get(parameters, "rope_theta") != NULL;
    return config_number(newer ? parameters : root, newer ? "rope_theta" : fallback_key, fallback, 1,
                         MAX_THETA, out, err);
}

static bool read_layer_types(yyjson_val *list, bool *local, int layers, struct error *err)
{
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) != (size_t)layers)
        return error_set(err, ERR_BAD_MODEL,
                         "config.json: layer_types is %s with %zu entries, want a list of %d",
                         json_type_words(list), yyjson_get_len(list), layers);
    for (int i = 0; i < layers; i++) {
        yyjson_val *type = yyjson_arr_get(list, (size_t)i);
        local[i] = yyjson_equals_str(type, "sliding_attention");
        if (!local[i] && !yyjson_equals_str(type, "full_attention"))
            return error_set(
                err, ERR_UNSUPPORTED_MODEL,
                "config.json: layer_types[%d] is %s%.60s, linnet supports \"full_attention\" and "
                "\"sliding_attention\"",
                i, yyjson_is_str(type) ? "" : json_type_words(type),
                yyjson_is_str(type) ? yyjson_get_str(type) : "");
    }
    return true;
}

/* Which layers see only a window. */
static bool read_local(yyjson_val *root, struct arena *arena, struct model_config *out, struct error *err)
{
    int every;
    yyjson_val *list = yyjson_obj_get(root, "layer_types");
    bool *local = arena_calloc(arena, (size_t)out->layers, sizeof *local);
    if (!local)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d layers", out->layers);
    out->attention.local = local;
    if (list && !yyjson_is_null(list))
        return read_layer_types(list, local, out->layers, err);
    if (!config_int(root, "global_attn_every_n_layers", LAYERS_A_GLOBAL, 1, MAX_LAYERS_A_GLOBAL, &every, err))
        return false;
    for (int i = 0; i < out->layers; i++)
        local[i] = i % every != 0;
    return true;
}

/* How far local layers see to either side. sliding_window says it, or local_attention twice as much; where
 * both are there, transformers takes the former. */
static bool read_window(yyjson_val *root, int *out, struct error *err)
{
    int width;
    if (!config_int(root, "local_attention", 128, 2, MAX_WINDOW, &width, err))
        return false;
    return config_int(root, "sliding_window", width / 2, 1, MAX_WINDOW / 2, out, err);
}

/* ModernBERT: all layers are rotated, local ones by angles of their own. */
static bool read_local_and_global(yyjson_val *root, struct arena *arena, struct model_config *out,
                                  struct error *err)
{
    struct attention_config *attention = &out->attention;
    if (!config_require_absent(root, "rope_scaling", err) ||
        !read_theta(root, "full_attention", "global_rope_theta", 160000, &attention->theta, err) ||
        !read_theta(root, "sliding_attention", "local_rope_theta", 10000, &attention->local_theta, err) ||
        !read_window(root, &attention->window, err))
        return false;
    return read_local(root, arena, out, err);
}

/* NomicBERT. Keys of its first checkpoints name what transformers' class has no choice of. */
static bool read_rotary(yyjson_val *root, struct model_config *out, struct error *err)
{
    static const char *const unsupported[] = {
        "rope_scaling",  "prenorm",      "use_rms_norm", "rotary_emb_interleaved", "rotary_scaling_factor",
        "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "moe_every_n_layers",     "rotary_emb_scale_base"};
    float *theta = &out->attention.theta, older;
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (!config_require_absent(root, unsupported[i], err))
            return false;
    if (!config_require_string(root, "activation_function", "swiglu", err) ||
        !read_theta(root, NULL, "rope_theta", 1000, theta, err) ||
        !config_number(root, "rotary_emb_base", *theta, 1, MAX_THETA, &older, err) ||
        !config_require_number(root, "rotary_emb_fraction", 1, err))
        return false;
    return older == *theta ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "config.json: rotary_emb_base is %g, and transformers reads rope_theta, "
                     "%g; linnet supports models that mean one",
                     (double)older, (double)*theta);
}

/* --- Relative embeddings */

/* pos_att_type is a list of strings, or one string with bars between them. */
static bool read_terms(yyjson_val *value, struct attention_config *out, struct error *err)
{
    if (!value || yyjson_is_null(value))
        return true;
    const char *text = yyjson_get_str(value);
    if (!text && !yyjson_is_arr(value))
        return error_set(err, ERR_BAD_MODEL, "config.json: pos_att_type is %s, want [\"p2c\", \"c2p\"]",
                         json_type_words(value));
    if (text) {
        out->query_to_position = strstr(text, "c2p") != NULL;
        out->key_to_position = strstr(text, "p2c") != NULL;
        return true;
    }
    for (size_t i = 0; i < yyjson_arr_size(value); i++) {
        yyjson_val *term = yyjson_arr_get(value, i);
        out->query_to_position |= yyjson_equals_str(term, "c2p");
        out->key_to_position |= yyjson_equals_str(term, "p2c");
    }
    return true;
}

/* The kernels take distances whose rows lie side by side or together. */
static bool check_buckets(const struct distance_buckets *buckets, int length, struct error *err)
{
    for (int distance = 1; distance < length; distance++)
        if (distances_embedding_row(buckets, distance - 1) - distances_embedding_row(buckets, distance) > 1)
            return error_set(
                err, ERR_UNSUPPORTED_MODEL,
                "config.json: max_relative_positions is %d and position_buckets %d: linnet supports "
                "buckets of which none is left out",
                buckets->max_distance, buckets->span);
    return true;
}

static bool read_span(yyjson_val *root, struct model_config *out, struct error *err)
{
    struct distance_buckets *buckets = &out->attention.buckets;
    int positions = out->max_positions, farthest, count;
    if (!config_signed(root, "max_relative_positions", -1, MAX_DISTANCE, &farthest, err) ||
        !config_signed(root, "position_buckets", -1, MAX_SPAN, &count, err))
        return false;
    buckets->max_distance = farthest < 1 ? positions : farthest;
    buckets->logarithmic = count > 0;
    buckets->span = count > 0 ? count : buckets->max_distance;
    if (buckets->span > MAX_SPAN || (count > 0 && (count < 4 || buckets->max_distance <= count / 2 + 1)))
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "config.json: max_relative_positions is %d and position_buckets %d, linnet supports 4 to "
            "%d buckets, of distances farther than half as many",
            farthest, count, MAX_SPAN);
    return check_buckets(buckets, out->max_tokens, err);
}

/* DeBERTa-v2 and v3. */
static bool read_disentangled(yyjson_val *root, struct model_config *out, struct error *err)
{
    struct attention_config *attention = &out->attention;
    bool relative;
    int head_size = out->hidden / out->heads;
    yyjson_val *norm = yyjson_obj_get(root, "norm_rel_ebd");
    if (!config_require_absent(root, "conv_kernel_size", err) ||
        !config_require_number(root, "attention_head_size", head_size, err) ||
        !config_require_number(root, "embedding_size", out->hidden, err) ||
        !config_require_number(root, "pooler_hidden_size", out->hidden, err) ||
        !config_bool(root, "position_biased_input", true, &out->position_table, err) ||
        !config_bool(root, "relative_attention", false, &relative, err) ||
        !config_bool(root, "share_att_key", false, &attention->shares_projections, err) ||
        !read_terms(yyjson_obj_get(root, "pos_att_type"), attention, err))
        return false;
    attention->score_terms = 1 + attention->query_to_position + attention->key_to_position;
    attention->norms_embeddings = yyjson_is_str(norm) && strstr(yyjson_get_str(norm), "layer_norm");
    if (relative)
        return read_span(root, out, err);
    attention->query_to_position = attention->key_to_position = false;
    return true;
}

static bool check_rotated(const struct model_config *config, struct error *err)
{
    return config->max_tokens <= MAX_ROTATED ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "config.json: max_position_embeddings is %d, linnet supports up to %d rotary positions",
                     config->max_positions, MAX_ROTATED);
}

bool config_read_attention(yyjson_val *root, struct arena *arena, struct model_config *out, struct error *err)
{
    out->attention.score_terms = 1;
    out->position_table = out->family->names->positions != NULL;
    int head_size = out->hidden / out->heads;
    if (!config_require_number(root, "head_dim", head_size, err))
        return false;
    switch (out->family->attention) {
    case ATTENTION_PLAIN:
        return true;
    case ATTENTION_BIASED:
        return config_require_number(root, "relative_attention_num_buckets", DISTANCES_BIAS_BUCKETS, err);
    case ATTENTION_DISENTANGLED:
        return read_disentangled(root, out, err);
    case ATTENTION_ROTARY:
        return check_rotated(out, err) && read_rotary(root, out, err);
    case ATTENTION_LOCAL_AND_GLOBAL:
        return check_rotated(out, err) && read_local_and_global(root, arena, out, err);
    }
    return true;
}
