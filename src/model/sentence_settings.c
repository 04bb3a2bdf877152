#include "model/sentence_settings.h"

#include <string.h>

#include "base/json.h"

enum { MAX_TOKENS = 1 << 20 };

static const char SETTINGS[] = "config_sentence_transformers.json";

/* --- What is passed on to transformers */

/* Arguments of from_pretrained() that say where a model comes from, how it is held in memory or how fast it
 * is computed. The answers are those in fp32, whatever the dtype. */
static const char *const harmless[] = {
    "add_pooling_layer", /* which no module takes anything of */
    "attn_implementation",
    "cache_dir",
    "clean_up_tokenization_spaces", /* of decoding */
    "device_map",
    "dtype",
    "local_files_only",
    "low_cpu_mem_usage",
    "output_attentions",
    "output_hidden_states",
    "revision",
    "subfolder",
    "token",
    "torch_dtype",
    "trust_remote_code",
    "use_cache",
    "use_fast", /* transformers 5 has one kind of tokenizer */
};

static bool is_harmless(yyjson_val *name)
{
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (yyjson_equals_str(name, harmless[i]))
            return true;
    return false;
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* Members of version 5.4, and what they were called before, which counts where both are there. */
static const struct {
    const char *name, *older;
} members[] = {
    {"model_kwargs", "model_args"},
    {"processor_kwargs", "tokenizer_args"},
    {"config_kwargs", "config_args"},
};

static bool is_replaced(yyjson_val *root, const char *member)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i].name, member) == 0)
            return yyjson_obj_get(root, members[i].older) != NULL;
    return false;
}

static const char *tokenizer_member(yyjson_val *root)
{
    return is_replaced(root, "processor_kwargs") ? "tokenizer_args" : "processor_kwargs";
}

static bool check_arguments(yyjson_val *root, const char *file, const char *member, yyjson_val *arguments,
                            struct error *err)
{
    const bool of_tokenizer = strcmp(member, tokenizer_member(root)) == 0;
    size_t index, count;
    yyjson_val *name, *value;
    if (!yyjson_is_obj(arguments) && !yyjson_is_null(arguments))
        return error_set(err, ERR_BAD_MODEL, "%s: %.60s is %s, want an object", file, member,
                         json_type_words(arguments));
    yyjson_obj_foreach (arguments, index, count, name, value) {
        if (is_harmless(name) || (of_tokenizer && yyjson_equals_str(name, "model_max_length")))
            continue;
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "%s: %.60s has %.60s, linnet supports model_max_length in processor_kwargs, and what "
            "does not change the embeddings in fp32, such as dtype; write the change into the "
            "model's own files",
            file, member, yyjson_get_str(name));
    }
    return true;
}

static bool refuse_arguments(yyjson_val *root, const char *file, struct error *err)
{
    size_t index, count;
    yyjson_val *name, *value, *tokenizer = yyjson_obj_get(root, "tokenizer_name_or_path");
    yyjson_obj_foreach (root, index, count, name, value) {
        const char *member = yyjson_get_str(name);
        if ((ends_in(member, "_kwargs") || ends_in(member, "_args")) && !is_replaced(root, member) &&
            !check_arguments(root, file, member, value, err))
            return false;
    }
    return !tokenizer || yyjson_is_null(tokenizer) ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%s: tokenizer_name_or_path is set, linnet supports the tokenizer in the model's own "
                     "directory",
                     file);
}

/* --- How long a text may be */

static bool read_length(yyjson_val *value, const char *file, const char *name, int *out, struct error *err)
{
    char words[JSON_WORDS_SIZE];
    double length = yyjson_get_num(value);
    /* What is past all models is written as 1e30, which is no whole number to a parser. */
    if (!yyjson_is_num(value) || length < 1 || (length < MAX_TOKENS && !yyjson_is_uint(value)))
        return error_set(err, ERR_BAD_MODEL, "%s: %s is %s, want a whole number of at least 1", file, name,
                         json_value_words(value, words));
    *out = length < MAX_TOKENS ? (int)yyjson_get_uint(value) : MAX_TOKENS;
    return true;
}

/* The tokenizer's own argument goes before max_seq_length; null, there, is no limit. */
static bool read_lengths(yyjson_val *root, const char *file, struct sentence *out, struct error *err)
{
    yyjson_val *length = yyjson_obj_get(root, "max_seq_length");
    yyjson_val *argument = yyjson_obj_get(yyjson_obj_get(root, tokenizer_member(root)), "model_max_length");
    if (length && !yyjson_is_null(length) &&
        !read_length(length, file, "max_seq_length", &out->max_tokens, err))
        return false;
    if (yyjson_is_null(argument))
        out->max_tokens = MAX_TOKENS;
    return !argument || yyjson_is_null(argument) ||
           read_length(argument, file, "model_max_length", &out->max_tokens, err);
}

bool sentence_read_encoding(const struct model_files *files, struct arena *arena, struct sentence *out,
                            struct error *err)
{
    const char *file = files->sentence_config_name;
    if (!files->sentence_config.bytes)
        return true;
    yyjson_doc *doc = model_json_read(files->sentence_config, file, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!doc)
        return false;
    out->lower_case = yyjson_is_true(yyjson_obj_get(root, "do_lower_case"));
    return refuse_arguments(root, file, err) && read_lengths(root, file, out, err);
}

/* --- Prompts and dimensions */

static bool read_prompts(yyjson_val *root, struct arena *arena, struct sentence *out, struct error *err)
{
    size_t index, count;
    yyjson_val *name, *text;
    yyjson_val *map = yyjson_obj_get(root, "prompts"), *chosen = yyjson_obj_get(root, "default_prompt_name");
    struct prompt *prompts = arena_calloc(arena, yyjson_obj_size(map), sizeof *prompts);
    if (!prompts)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu prompts", yyjson_obj_size(map));
    yyjson_obj_foreach (map, index, count, name, text) {
        if (!yyjson_is_str(text))
            return error_set(err, ERR_BAD_MODEL, "%s: the prompt \"%.60s\" is %s, want a string", SETTINGS,
                             yyjson_get_str(name), json_type_words(text));
        prompts[index] = (struct prompt){yyjson_get_str(name), yyjson_get_str(text)};
        if (yyjson_equals_strn(name, yyjson_get_str(chosen), yyjson_get_len(chosen)))
            out->default_prompt = prompts[index].text;
    }
    out->prompts = prompts;
    out->prompt_count = (int)yyjson_obj_size(map);
    return !yyjson_is_str(chosen) || out->default_prompt ||
           error_set(err, ERR_BAD_MODEL, "%s: default_prompt_name is \"%.60s\", which is none of its prompts",
                     SETTINGS, yyjson_get_str(chosen));
}

/* Sparse embeddings keep all of the vocabulary, and may have a limit of their own. */
static bool read_kept(yyjson_val *root, struct sentence *out, struct error *err)
{
    char words[JSON_WORDS_SIZE];
    yyjson_val *kept = yyjson_obj_get(root, "truncate_dim"), *most = yyjson_obj_get(root, "max_active_dims");
    if (out->is_sparse)
        return !most || yyjson_is_null(most) ||
               error_set(
                   err, ERR_UNSUPPORTED_MODEL,
                   "%s: max_active_dims is set, linnet keeps all numbers of a sparse embedding that are "
                   "not 0",
                   SETTINGS);
    if (!kept || yyjson_is_null(kept))
        return true;
    if (!yyjson_is_uint(kept) || yyjson_get_uint(kept) == 0)
        return error_set(err, ERR_BAD_MODEL, "%s: truncate_dim is %s, want a whole number of at least 1",
                         SETTINGS, json_value_words(kept, words));
    if (yyjson_get_uint(kept) < (uint64_t)out->dimensions)
        out->kept = (int)yyjson_get_uint(kept);
    return true;
}

bool sentence_read_settings(const struct model_files *files, struct arena *arena, struct sentence *out,
                            struct error *err)
{
    out->kept = out->dimensions;
    if (!files->sentence_settings.bytes)
        return true;
    yyjson_doc *doc = model_json_read(files->sentence_settings, SETTINGS, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    return doc && read_kept(root, out, err) && read_prompts(root, arena, out, err);
}
