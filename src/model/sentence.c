#include "model/sentence.h"

#include <stdio.h>
#include <string.h>

#include "model/family.h"
#include "model/sentence_settings.h"

enum { MAX_DIMENSIONS = 32768 };

/* The name; the key of versions before 5.4, in the order in which they concatenate; what else people call
 * it. */
static const struct {
    const char *name, *old_key, *alias;
} poolings[POOLING_COUNT] = {
    [POOLING_CLS] = {"cls", "pooling_mode_cls_token", NULL},
    [POOLING_MAX] = {"max", "pooling_mode_max_tokens", NULL},
    [POOLING_MEAN] = {"mean", "pooling_mode_mean_tokens", NULL},
    [POOLING_MEAN_SQRT_LEN] = {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"},
    [POOLING_WEIGHTED_MEAN] = {"weightedmean", "pooling_mode_weightedmean_tokens", "weighted-mean"},
    [POOLING_LAST_TOKEN] = {"lasttoken", "pooling_mode_lasttoken", "last-token"},
};

static const char pooling_words[] = "cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken";

static bool is_splade(const char *asked)
{
    return strcmp(asked, SPLADE_NAME) == 0;
}

/* --- Pooling */

static bool same_word(const char *name, const char *word, size_t length)
{
    return name && strlen(name) == length && memcmp(name, word, length) == 0;
}

static bool add_pooling(struct sentence *out, const char *word, size_t length)
{
    for (int i = 0; i < POOLING_COUNT && out->pooling_count < POOLING_COUNT; i++) {
        if (same_word(poolings[i].name, word, length) || same_word(poolings[i].alias, word, length)) {
            out->pooling[out->pooling_count++] = (enum pooling)i;
            return true;
        }
    }
    return false;
}

/* "mean", or several with "+" between. */
static bool parse_pooling(const char *asked, struct sentence *out, struct error *err)
{
    for (const char *word = asked;; word++) {
        size_t length = strcspn(word, "+");
        if (!add_pooling(out, word, length))
            return error_set(
                err, ERR_USAGE,
                "--pooling is \"%.60s\", want %s, or several of them with + between, or " SPLADE_NAME, asked,
                pooling_words);
        word += length;
        if (!*word)
            return true;
    }
}

bool pooling_check(const char *asked, struct error *err)
{
    struct sentence ignored = {.pooling_count = 0};
    return is_splade(asked) || parse_pooling(asked, &ignored, err);
}

static bool name_pooling(struct sentence *out, struct arena *arena, struct error *err)
{
    char name[160];
    size_t length = 0;
    for (int i = 0; i < out->pooling_count; i++)
        length += (size_t)snprintf(name + length, sizeof name - length, "%s%s", i ? "+" : "",
                                   poolings[out->pooling[i]].name);
    out->pooling_name = arena_strndup(arena, name, length);
    return out->pooling_name || error_set(err, ERR_NO_MEMORY, "no memory for the name of the pooling");
}

/* "pooling_mode" of version 5.4: a name or a list of names. */
static bool read_modes(yyjson_val *modes, const char *file, struct sentence *out, struct error *err)
{
    size_t index, count = 0;
    yyjson_val *mode;
    bool known = true;
    if (yyjson_is_str(modes))
        known = add_pooling(out, yyjson_get_str(modes), yyjson_get_len(modes));
    yyjson_arr_foreach (modes, index, count, mode) {
        known = known && yyjson_is_str(mode) && add_pooling(out, yyjson_get_str(mode), yyjson_get_len(mode));
    }
    return (known && out->pooling_count > 0) ||
           error_set(err, ERR_UNSUPPORTED_MODEL, "%s: pooling_mode is %s%.60s, linnet supports %s", file,
                     yyjson_is_str(modes) ? "" : json_type_words(modes),
                     yyjson_is_str(modes) ? yyjson_get_str(modes) : "", pooling_words);
}

/* A flag a mode; with none of them set it is the mean. */
static void read_old_modes(yyjson_val *root, struct sentence *out)
{
    for (int i = 0; i < POOLING_COUNT; i++)
        if (yyjson_is_true(yyjson_obj_get(root, poolings[i].old_key)))
            out->pooling[out->pooling_count++] = (enum pooling)i;
    if (out->pooling_count == 0)
        out->pooling[out->pooling_count++] = POOLING_MEAN;
}

static bool check_width(yyjson_val *root, const char *key, const char *file, int hidden, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    char words[JSON_WORDS_SIZE];
    if (!value || (yyjson_is_uint(value) && yyjson_get_uint(value) == (uint64_t)hidden))
        return true;
    return error_set(err, ERR_BAD_MODEL, "%s: %s is %s, the encoder's states have %d elements", file, key,
                     json_value_words(value, words), hidden);
}

static bool read_pooling(const struct module *module, const struct model_config *config, struct arena *arena,
                         struct sentence *out, struct error *err)
{
    char file[300];
    snprintf(file, sizeof file, "%s/config.json", module->folder);
    if (!module->config.bytes)
        return error_set(err, ERR_BAD_MODEL, "%s, which modules.json names, is missing", file);
    yyjson_doc *doc = model_json_read(module->config, file, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc), *modes = yyjson_obj_get(root, "pooling_mode");
    if (!doc || !check_width(root, "word_embedding_dimension", file, config->hidden, err) ||
        !check_width(root, "embedding_dimension", file, config->hidden, err))
        return false;
    if (yyjson_is_false(yyjson_obj_get(root, "include_prompt")))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: include_prompt is false, linnet pools all tokens of a text", file);
    if (modes)
        return read_modes(modes, file, out, err);
    read_old_modes(root, out);
    return true;
}

/* --- Dense */

/* The last word of torch's classes. */
static const struct {
    const char *name;
    enum activation activation;
} activations[] = {
    {"Identity", ACT_NONE}, {"Tanh", ACT_TANH}, {"ReLU", ACT_RELU},
    {"GELU", ACT_GELU_ERF}, {"SiLU", ACT_SILU},
};

static bool read_activation(yyjson_val *root, const char *file, struct dense *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, "activation_function");
    const char *type = value ? yyjson_get_str(value) : "torch.nn.modules.activation.Tanh";
    const char *word = type ? strrchr(type, '.') : NULL;
    bool of_torch = type && strncmp(type, "torch.nn.modules.", 17) == 0;
    for (size_t i = 0; of_torch && i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].name, word + 1) == 0) {
            out->activation = activations[i].activation;
            return true;
        }
    }
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%s: activation_function is %s%.80s, linnet supports torch's Identity, Tanh, ReLU, GELU "
                     "and SiLU",
                     file, type ? "" : json_type_words(value), type ? type : "");
}

static bool read_width(yyjson_val *root, const char *key, const char *file, int *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    char words[JSON_WORDS_SIZE];
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) == 0 || yyjson_get_uint(value) > MAX_DIMENSIONS)
        return error_set(err, ERR_BAD_MODEL, "%s: %s is %s, want a whole number from 1 to %d", file, key,
                         value ? json_value_words(value, words) : "missing", MAX_DIMENSIONS);
    *out = (int)yyjson_get_uint(value);
    return true;
}

/* Which of a text's values a Dense or Normalize takes, and which it makes: null is the one that it takes. */
static bool check_names(yyjson_val *root, const char *file, const char *module, struct error *err)
{
    static const char *const names[] = {"module_input_name", "module_output_name"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        yyjson_val *value = yyjson_obj_get(root, names[i]);
        bool same = i == 1 && yyjson_is_null(value);
        if (value && !same && !yyjson_equals_str(value, "sentence_embedding"))
            return error_set(err, ERR_UNSUPPORTED_MODEL,
                             "%s: %s is %s%.60s, linnet applies %s to pooled states, \"sentence_embedding\"",
                             file, names[i], yyjson_is_str(value) ? "" : json_type_words(value),
                             yyjson_is_str(value) ? yyjson_get_str(value) : "", module);
    }
    return true;
}

/* What a Dense of another kind would say. */
static bool refuse_variants(yyjson_val *root, const char *file, struct error *err)
{
    if (!check_names(root, file, "Dense", err))
        return false;
    return !yyjson_is_true(yyjson_obj_get(root, "use_residual")) ||
           error_set(err, ERR_UNSUPPORTED_MODEL, "%s: use_residual is true, linnet supports Dense without it",
                     file);
}

static bool open_weights(const struct module *module, struct arena *arena, struct dense *out,
                         struct error *err)
{
    char file[300];
    int length = snprintf(file, sizeof file, "%s/model.safetensors", module->folder);
    if (!module->weights.bytes)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s is missing: a Dense's weights are wanted in that form, as "
                         "SentenceTransformer.save_pretrained() writes them",
                         file);
    struct model_shard *shard = arena_calloc(arena, 1, sizeof *shard);
    if (shard)
        *shard = (struct model_shard){arena_strndup(arena, file, (size_t)length), module->weights};
    if (!shard || !shard->name)
        return error_set(err, ERR_NO_MEMORY, "no memory to open %s", file);
    const struct model_files files = {.name = shard->name, .shards = shard, .shard_count = 1};
    return tensors_open(&files, arena, &out->tensors, err);
}

static bool read_dense(const struct module *module, struct arena *arena, struct sentence *out,
                       struct error *err)
{
    char file[300];
    snprintf(file, sizeof file, "%s/config.json", module->folder);
    if (out->dense_count == SENTENCE_MAX_DENSE)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "modules.json has more than %d Dense modules",
                         SENTENCE_MAX_DENSE);
    if (!module->config.bytes)
        return error_set(err, ERR_BAD_MODEL, "%s, which modules.json names, is missing", file);
    struct dense *dense = &out->dense[out->dense_count++];
    yyjson_doc *doc = model_json_read(module->config, file, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!doc || !read_width(root, "in_features", file, &dense->in, err) ||
        !read_width(root, "out_features", file, &dense->out, err) ||
        !read_activation(root, file, dense, err) || !refuse_variants(root, file, err))
        return false;
    dense->has_bias = !yyjson_is_false(yyjson_obj_get(root, "bias"));
    if (dense->in != out->dimensions)
        return error_set(err, ERR_BAD_MODEL, "%s: in_features is %d, the module before gives %d", file,
                         dense->in, out->dimensions);
    out->dimensions = dense->out;
    return open_weights(module, arena, dense, err);
}

/* --- Normalize */

/* Its file, which versions before 5.4 do not write, says nothing else. */
static bool read_normalize(const struct module *module, struct arena *arena, struct sentence *out,
                           struct error *err)
{
    char file[300];
    out->normalises = true;
    if (!module->config.bytes)
        return true;
    snprintf(file, sizeof file, "%s/config.json", module->folder);
    yyjson_doc *doc = model_json_read(module->config, file, arena, err);
    return doc && check_names(yyjson_doc_get_root(doc), file, "Normalize", err);
}

/* --- The modules together */

static bool refuse_module(const struct module *module, int index, const char *wanted, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "modules.json: module %d is %.100s%s%.60s, linnet supports %s", index, module->type,
                     *module->folder ? " in " : "", module->folder, wanted);
}

/* Module `index` after the Transformer. */
static bool read_module(const struct model_files *files, int index, const struct model_config *config,
                        struct arena *arena, struct sentence *out, struct error *err)
{
    const struct module *module = &files->modules[index];
    bool pooled = out->dimensions > 0, asked = out->origin == POOLING_ASKED_FOR;
    if (out->normalises && module->kind != MODULE_DROPOUT && module->kind != MODULE_NORMALIZE)
        return refuse_module(module, index, "Normalize only as the last of Pooling, Dense, Normalize", err);
    switch (module->kind) {
    case MODULE_POOLING:
        if (pooled)
            return refuse_module(module, index, "one Pooling", err);
        if (!asked && !read_pooling(module, config, arena, out, err))
            return false;
        out->dimensions = config->hidden * out->pooling_count;
        return true;
    case MODULE_DENSE:
        return pooled ? read_dense(module, arena, out, err)
                      : refuse_module(module, index, "Dense after Pooling", err);
    case MODULE_NORMALIZE:
        return pooled ? read_normalize(module, arena, out, err)
                      : refuse_module(module, index, "Normalize after Pooling", err);
    case MODULE_DROPOUT:
        return true;
    default:
        return refuse_module(module, index, "Transformer, then Pooling, Dense and Normalize", err);
    }
}

static bool read_modules(const struct model_files *files, const struct model_config *config,
                         struct arena *arena, struct sentence *out, struct error *err)
{
    const struct module *first = &files->modules[0];
    if (files->module_count == 0) {
        if (out->origin != POOLING_ASKED_FOR) {
            out->origin = POOLING_ASSUMED;
            out->pooling[out->pooling_count++] = POOLING_MEAN;
        }
        out->dimensions = config->hidden * out->pooling_count;
        return true;
    }
    if (first->kind != MODULE_TRANSFORMER || *first->folder)
        return refuse_module(first, 0, "a Transformer in the model's own directory first", err);
    for (int i = 1; i < files->module_count; i++)
        if (!read_module(files, i, config, arena, out, err))
            return false;
    return out->dimensions > 0 || error_set(err, ERR_UNSUPPORTED_MODEL,
                                            "modules.json has no Pooling: linnet makes embeddings of pooled "
                                            "states");
}

/* --- Sparse */

/* The file may leave the vocabulary's size open. */
static bool check_vocabulary(yyjson_val *root, const char *key, const char *file, int vocabulary,
                             struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    char words[JSON_WORDS_SIZE];
    if (!value || yyjson_is_null(value) ||
        (yyjson_is_uint(value) && yyjson_get_uint(value) == (uint64_t)vocabulary))
        return true;
    return error_set(err, ERR_BAD_MODEL, "%s: %s is %s, the model's vocabulary has %d tokens", file, key,
                     json_value_words(value, words), vocabulary);
}

/* A key with one of two words, of which the first is meant where it is missing. */
static bool read_choice(yyjson_val *root, const char *key, const char *file, const char *const words[2],
                        bool *second, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    *second = yyjson_equals_str(value, words[1]);
    return !value || *second || yyjson_equals_str(value, words[0]) ||
           error_set(err, ERR_UNSUPPORTED_MODEL, "%s: %s is %s%.60s, linnet supports %s and %s", file, key,
                     yyjson_is_str(value) ? "" : json_type_words(value),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "", words[0], words[1]);
}

static bool read_splade(const struct module *module, const struct model_config *config, struct arena *arena,
                        struct sentence *out, struct error *err)
{
    static const char *const strategies[] = {"max", "sum"}, *const activations_known[] = {"relu",
                                                                                          "log1p_relu"};
    char file[300];
    snprintf(file, sizeof file, "%s/config.json", module->folder);
    if (!module->config.bytes)
        return error_set(err, ERR_BAD_MODEL, "%s, which modules.json names, is missing", file);
    yyjson_doc *doc = model_json_read(module->config, file, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    return doc && check_vocabulary(root, "word_embedding_dimension", file, config->vocab_size, err) &&
           check_vocabulary(root, "embedding_dimension", file, config->vocab_size, err) &&
           read_choice(root, "pooling_strategy", file, strategies, &out->splade.sums, err) &&
           read_choice(root, "activation_function", file, activations_known, &out->splade.twice, err);
}

/* Since version 5.4 it is another file that says whether a Transformer has a head. */
static bool check_head(const struct model_files *files, struct arena *arena, struct error *err)
{
    const struct blob json = files->sentence_config;
    const char *name = json.bytes ? files->sentence_config_name : "sentence_bert_config.json";
    yyjson_doc *doc = json.bytes ? model_json_read(json, name, arena, err) : NULL;
    if (json.bytes && !doc)
        return false;
    yyjson_val *task = yyjson_obj_get(yyjson_doc_get_root(doc), "transformer_task");
    return yyjson_equals_str(task, "fill-mask") ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%s: transformer_task is %.60s, SpladePooling wants fill-mask", name,
                     yyjson_is_str(task) ? yyjson_get_str(task) : "missing");
}

/* Where the command line asks for it, modules that pool otherwise do not count. */
static bool read_sparse(const struct model_files *files, const struct model_config *config,
                        struct arena *arena, struct sentence *out, struct error *err)
{
    static const char wanted[] = "a Transformer in the model's own directory, then SpladePooling";
    const bool asked = out->origin == POOLING_ASKED_FOR;
    bool pooled = false;
    out->is_sparse = true;
    out->pooling_name = SPLADE_NAME;
    out->dimensions = config->vocab_size;
    for (int i = 0; i < files->module_count; i++) {
        const struct module *module = &files->modules[i];
        const bool transforms = module->kind == MODULE_TRANSFORMER || module->kind == MODULE_MLM_TRANSFORMER;
        if (transforms && i == 0 && !*module->folder)
            continue;
        if (module->kind == MODULE_DROPOUT || (module->kind == MODULE_POOLING && asked))
            continue;
        if (module->kind != MODULE_SPLADE_POOLING || i == 0 || pooled)
            return refuse_module(module, i, wanted, err);
        pooled = true;
        if ((files->modules[0].kind == MODULE_TRANSFORMER && !check_head(files, arena, err)) ||
            !read_splade(module, config, arena, out, err))
            return false;
    }
    return true;
}

bool sentence_read(const struct model_files *files, const struct model_config *config, const char *asked,
                   struct arena *arena, struct sentence *out, struct error *err)
{
    *out = (struct sentence){.origin = asked ? POOLING_ASKED_FOR : POOLING_FROM_FILES};
    const bool pooled = config->head->kind == HEAD_MASKED_LM
                            ? read_sparse(files, config, arena, out, err)
                            : (!asked || parse_pooling(asked, out, err)) &&
                                  read_modules(files, config, arena, out, err) &&
                                  name_pooling(out, arena, err);
    return pooled && sentence_read_encoding(files, arena, out, err) &&
           sentence_read_settings(files, arena, out, err);
}
