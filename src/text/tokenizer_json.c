#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

static const char FILE_NAME[] = "tokenizer.json";

/* What a rebuilt BertTokenizer uses whatever the file says. */
static const char BERT_PREFIX[] = "##";
enum { BERT_MAX_CHARACTERS = 100 };

static bool read_normalizer(yyjson_val *root, struct normalizer *out, struct error *err)
{
    *out = (struct normalizer){0};
    yyjson_val *part = yyjson_obj_get(root, "normalizer");
    if (!part || yyjson_is_null(part))
        return true;
    if (!tokenizer_read_part(root, "normalizer", "BertNormalizer", err))
        return false;
    static const char *const required[] = {"clean_text", "handle_chinese_chars", "lowercase"};
    bool *const fields[] = {&out->clean_text, &out->handle_chinese_chars, &out->lowercase};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!yyjson_obj_get(part, required[i]))
            return error_set(err, ERR_BAD_MODEL, "%s: normalizer: \"%s\" is missing", FILE_NAME, required[i]);
        if (!json_read_bool(part, required[i], fields[i], "tokenizer.json: normalizer", err))
            return false;
    }
    out->strip_accents = out->lowercase;
    if (yyjson_is_null(yyjson_obj_get(part, "strip_accents")))
        return true;
    return json_read_bool(part, "strip_accents", &out->strip_accents, "tokenizer.json: normalizer", err);
}

static bool read_vocabulary(yyjson_val *model, struct tokenizer *tokenizer, struct error *err)
{
    yyjson_val *vocab = yyjson_obj_get(model, "vocab"), *key, *value;
    struct vocabulary *vocabulary = &tokenizer->model.vocabulary;
    if (!yyjson_is_obj(vocab))
        return error_set(err, ERR_BAD_MODEL, "%s: model: \"vocab\" is %s; it must be an object of ids",
                         FILE_NAME, json_type_words(vocab));
    if (yyjson_obj_size(vocab) > VOCABULARY_MAX_ID)
        return error_set(err, ERR_BAD_MODEL, "%s: model: the vocabulary has %zu tokens; the limit is %d",
                         FILE_NAME, yyjson_obj_size(vocab), VOCABULARY_MAX_ID);
    if (!vocabulary_init(vocabulary, yyjson_obj_size(vocab), &tokenizer->arena))
        return tokenizer_no_memory(err);
    size_t index, max;
    yyjson_obj_foreach (vocab, index, max, key, value) {
        int32_t id;
        if (!tokenizer_read_id(value, "model: vocab", yyjson_get_str(key), &id, err))
            return false;
        if (!vocabulary_add(vocabulary, yyjson_get_str(key), yyjson_get_len(key), id))
            return tokenizer_no_memory(err);
    }
    return true;
}

static bool read_model(yyjson_val *root, const struct tokenizer_config *config, struct tokenizer *tokenizer,
                       struct error *err)
{
    yyjson_val *model = yyjson_obj_get(root, "model");
    yyjson_val *max_characters = yyjson_obj_get(model, "max_input_chars_per_word");
    /* Files of the first versions have no type; only a WordPiece model has this field. */
    bool is_untyped = yyjson_is_obj(model) && !yyjson_obj_get(model, "type") && max_characters;
    if (!is_untyped && !tokenizer_read_part(root, "model", "WordPiece", err))
        return false;
    yyjson_val *unknown = yyjson_obj_get(model, "unk_token");
    yyjson_val *prefix = yyjson_obj_get(model, "continuing_subword_prefix");
    if (!yyjson_is_str(unknown) || !yyjson_is_str(prefix))
        return error_set(err, ERR_BAD_MODEL,
                         "%s: model: \"unk_token\" and \"continuing_subword_prefix\" must be strings",
                         FILE_NAME);
    if (!yyjson_is_uint(max_characters))
        return error_set(err, ERR_BAD_MODEL,
                         "%s: model: \"max_input_chars_per_word\" must be a whole number, 0 or more",
                         FILE_NAME);
    if (!read_vocabulary(model, tokenizer, err))
        return false;
    if (!config->rebuilds_bert)
        return tokenizer_set_model(tokenizer, yyjson_get_str(unknown), yyjson_get_str(prefix),
                                   yyjson_get_len(prefix), yyjson_get_uint(max_characters), err);
    if (!config->unknown)
        return error_set(err, ERR_BAD_MODEL, "tokenizer_config.json: \"unk_token\" must not be null");
    return tokenizer_set_model(tokenizer, config->unknown, BERT_PREFIX, strlen(BERT_PREFIX),
                               BERT_MAX_CHARACTERS, err);
}

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
                              const struct tokenizer_config *config, const struct normalizer *normalizer,
                              const struct added_list *file_tokens, struct error *err)
{
    tokenizer->normalizer = *normalizer;
    size_t room = file_tokens->count + config->added.count + config->special.count;
    if (!added_tokens_init(&tokenizer->added, room, &tokenizer->model.vocabulary, &tokenizer->arena))
        return tokenizer_no_memory(err);
    return tokenizer_add_list(tokenizer, file_tokens, err) &&
           tokenizer_add_list(tokenizer, &config->added, err) &&
           tokenizer_finish_added(tokenizer, config, err) && tokenizer_read_template(tokenizer, root, err);
}

static bool build(struct tokenizer *tokenizer, struct blob json, struct blob config, struct arena *scratch,
                  struct error *err)
{
    struct tokenizer_config settings;
    struct normalizer normalizer;
    struct added_list file_tokens;
    if (!tokenizer_config_read(config, scratch, &settings, err))
        return false;
    yyjson_val *root = tokenizer_parse(json, FILE_NAME, scratch, err);
    if (!root)
        return false;
    yyjson_val *version = yyjson_obj_get(root, "version");
    if (version && !yyjson_equals_str(version, "1.0"))
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: the \"version\" must be \"1.0\"", FILE_NAME);
    if (!read_normalizer(root, &normalizer, err) ||
        !tokenizer_read_part(root, "pre_tokenizer", "BertPreTokenizer", err) ||
        !read_model(root, &settings, tokenizer, err) || !read_added(root, scratch, &file_tokens, err) ||
        !read_truncation_side(root, &settings, err))
        return false;
    if (!settings.rebuilds_bert)
        return finish_as_written(tokenizer, root, &settings, &normalizer, &file_tokens, err);
    /* Read for its errors alone: a template that is not understood may mean a model that is no BERT. */
    if (!tokenizer_read_template(tokenizer, root, err))
        return false;
    if (file_tokens.count > 1)
        qsort(file_tokens.tokens, file_tokens.count, sizeof *file_tokens.tokens, compare_ids);
    return tokenizer_finish_bert(tokenizer, &settings, &file_tokens, err);
}

struct tokenizer *tokenizer_open_json(struct blob json, struct blob config, struct error *err)
{
    struct tokenizer *tokenizer = tokenizer_new(err);
    if (!tokenizer)
        return NULL;
    struct arena scratch;
    arena_init(&scratch, 0, SIZE_MAX);
    bool built = build(tokenizer, json, config, &scratch, err);
    arena_free(&scratch);
    if (built)
        return tokenizer;
    tokenizer_close(tokenizer);
    return NULL;
}
