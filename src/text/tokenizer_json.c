#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

static const char FILE_NAME[] = "tokenizer.json";

/* added_tokens: [{"id": 0, "content": "[PAD]", ...}, ...] */
static bool read_added(yyjson_val *root, struct arena *scratch, struct added_list *out, struct error *err)
{
    yyjson_val *list = yyjson_obj_get(root, "added_tokens"), *value;
    *out = (struct added_list){NULL, 0};
    if (!list || yyjson_is_null(list))
        return true;
    if (!yyjson_is_arr(list))
        return error_set(err, ERR_BAD_MODEL, "%s: \"added_tokens\" is %s; it must be a list", FILE_NAME,
                         json_type_words(list));
    out->tokens = arena_calloc(scratch, yyjson_arr_size(list), sizeof *out->tokens);
    if (!out->tokens)
        return tokenizer_no_memory(err);
    size_t index, max;
    yyjson_arr_foreach (list, index, max, value) {
        struct added_token *token = &out->tokens[index];
        if (!added_token_read(value, "tokenizer.json: added_tokens", token, err) ||
            !tokenizer_read_id(yyjson_obj_get(value, "id"), "added_tokens", token->text, &token->id, err))
            return false;
    }
    out->count = yyjson_arr_size(list);
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    const struct added_token *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static bool read_truncation_side(yyjson_val *root, struct tokenizer_config *config, struct error *err)
{
    yyjson_val *truncation = yyjson_obj_get(root, "truncation");
    yyjson_val *direction = yyjson_obj_get(truncation, "direction");
    if (!direction || config->has_truncation_side)
        return true;
    if (!yyjson_equals_str(direction, "Left") && !yyjson_equals_str(direction, "Right"))
        return error_set(err, ERR_BAD_MODEL, "%s: truncation: \"direction\" must be \"Right\" or \"Left\"",
                         FILE_NAME);
    config->truncate_left = yyjson_equals_str(direction, "Left");
    return true;
}

/* A PreTrainedTokenizerFast: all that the file says, then what the config adds. */
static bool finish_as_written(struct tokenizer *tokenizer, yyjson_val *root,
                              const struct tokenizer_config *config, const struct added_list *file_tokens,
                              struct error *err)
{
    size_t room = file_tokens->count + config->added.count + config->special.count;
    if (!added_tokens_init(&tokenizer->added, room, &tokenizer->vocabulary, &tokenizer->arena))
        return tokenizer_no_memory(err);
    return tokenizer_add_list(tokenizer, file_tokens, err) &&
           tokenizer_add_list(tokenizer, &config->added, err) &&
           tokenizer_finish_added(tokenizer, config, err) && tokenizer_read_template(tokenizer, root, err);
}

/* A class that transformers builds anew. The file's own parts are read for their errors alone: what is not
 * understood may mean another model. */
static bool finish_rebuilt(struct tokenizer *tokenizer, yyjson_val *root,
                           const struct tokenizer_config *config, const struct added_list *file_tokens,
                           struct error *err)
{
    if (!tokenizer_read_template(tokenizer, root, err))
        return false;
    if (file_tokens->count > 1)
        qsort(file_tokens->tokens, file_tokens->count, sizeof *file_tokens->tokens, compare_ids);
    return tokenizer_rebuild_finish(tokenizer, config, file_tokens, root, err);
}

bool tokenizer_build_json(struct tokenizer *tokenizer, const struct tokenizer_files *files,
                          struct arena *scratch, struct error *err)
{
    struct tokenizer_config settings;
    struct added_list file_tokens;
    if (!tokenizer_config_read(files->config, files->model_config, scratch, &settings, err))
        return false;
    yyjson_val *root = tokenizer_parse(files->json, FILE_NAME, scratch, err);
    if (!root)
        return false;
    yyjson_val *version = yyjson_obj_get(root, "version");
    if (version && !yyjson_equals_str(version, "1.0"))
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: the \"version\" must be \"1.0\"", FILE_NAME);
    const bool as_written = settings.class->id == CLASS_FILE;
    if (!tokenizer_read_normalizer(tokenizer, root, err) ||
        !tokenizer_read_pretokenizer(tokenizer, root, err) || !tokenizer_read_decoder(tokenizer, root, err) ||
        (!as_written && !tokenizer_rebuild_parts(tokenizer, &settings, root, scratch, err)) ||
        !tokenizer_read_model(tokenizer, root, &settings, err) ||
        !read_added(root, scratch, &file_tokens, err) || !read_truncation_side(root, &settings, err))
        return false;
    return as_written ? finish_as_written(tokenizer, root, &settings, &file_tokens, err)
                      : finish_rebuilt(tokenizer, root, &settings, &file_tokens, err);
}
