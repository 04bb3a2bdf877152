/* What both loaders share. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

/* Of a tokenizer's JSON files: well-formed ones have 5 levels. */
enum { MAX_DEPTH = 32 };

/* Offsets and lengths of tokens are 32 bits wide; no published tokenizer file reaches 100 MB. */
/* The largest published vocabularies take a tenth of this; parsing needs many times the bytes. */
static const size_t MAX_FILE_SIZE = (size_t)256 << 20;

bool tokenizer_no_memory(struct error *err)
{
    return error_set(err, ERR_NO_MEMORY, "no memory for the tokenizer");
}

struct tokenizer *tokenizer_new(struct error *err)
{
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer) {
        tokenizer_no_memory(err);
        return NULL;
    }
    arena_init(&tokenizer->arena, 0, SIZE_MAX);
    return tokenizer;
}

void tokenizer_close(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    arena_free(&tokenizer->arena);
    free(tokenizer);
}

bool tokenizer_check_size(struct blob blob, const char *name, struct error *err)
{
    return blob.size <= MAX_FILE_SIZE || error_set(err, ERR_BAD_MODEL, "%s has %zu bytes; the limit is %zu",
                                                   name, blob.size, MAX_FILE_SIZE);
}

yyjson_val *tokenizer_parse(struct blob blob, const char *name, struct arena *arena, struct error *err)
{
    if (!tokenizer_check_size(blob, name, err))
        return NULL;
    yyjson_doc *doc = json_read((const char *)blob.bytes, blob.size, MAX_DEPTH, arena, err);
    if (!doc) {
        if (err->kind == ERR_BAD_JSON)
            err->kind = ERR_BAD_MODEL;
        error_prefix(err, "%s", name);
        return NULL;
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root)) {
        error_set(err, ERR_BAD_MODEL, "%s is %s; it must be an object", name, json_type_words(root));
        return NULL;
    }
    return root;
}

bool tokenizer_read_part(yyjson_val *root, const char *key, const char *supported, struct error *err)
{
    yyjson_val *part = yyjson_obj_get(root, key), *type = yyjson_obj_get(part, "type");
    if (!part || yyjson_is_null(part))
        return error_set(err, ERR_UNSUPPORTED_MODEL, "tokenizer.json has no %s; one of type %s is needed",
                         key, supported);
    if (!yyjson_is_str(type))
        return error_set(err, ERR_BAD_MODEL, "tokenizer.json: %s must be an object with a \"type\"", key);
    if (!yyjson_equals_str(type, supported))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "tokenizer.json: a %s of type \"%.60s\" is not supported; %s is", key,
                         yyjson_get_str(type), supported);
    return true;
}

bool tokenizer_read_id(yyjson_val *value, const char *where, const char *what, int32_t *out,
                       struct error *err)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > VOCABULARY_MAX_ID)
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer.json: %s: the id of \"%.60s\" must be a whole number of 0..%d", where,
                         what, VOCABULARY_MAX_ID);
    *out = (int32_t)yyjson_get_uint(value);
    return true;
}

bool tokenizer_set_model(struct tokenizer *tokenizer, const char *unknown, const char *prefix,
                         size_t prefix_length, uint64_t max_characters, struct error *err)
{
    struct wordpiece *model = &tokenizer->model;
    const struct token *first, *second;
    vocabulary_finish(&model->vocabulary);
    if (model->vocabulary.count == 0)
        return error_set(err, ERR_BAD_MODEL, "the vocabulary is empty");
    if (vocabulary_find_shared_id(&model->vocabulary, &first, &second))
        return error_set(err, ERR_BAD_MODEL, "the tokens \"%.100s\" and \"%.100s\" have the same id %d",
                         first->text, second->text, first->id);
    model->unknown_id = vocabulary_find(&model->vocabulary, unknown, strlen(unknown));
    if (model->unknown_id < 0)
        return error_set(err, ERR_BAD_MODEL,
                         "the unknown token \"%.100s\" is not in the vocabulary of %zu tokens", unknown,
                         model->vocabulary.count);
    if (!wordpiece_set_prefix(model, prefix, prefix_length, &tokenizer->arena))
        return tokenizer_no_memory(err);
    model->max_characters = max_characters < SIZE_MAX ? (size_t)max_characters : SIZE_MAX;
    return true;
}

/* A template may name any id; one without a token is a mistake in the file. */
static bool check_template(const struct tokenizer *tokenizer, const struct template *template,
                           struct error *err)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->kind == PIECE_TOKEN && !tokenizer_token(tokenizer, piece->id))
            return error_set(err, ERR_BAD_MODEL, "the post_processor adds the id %d, which no token has",
                             piece->id);
    }
    return true;
}

bool tokenizer_finish_added(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                            struct error *err)
{
    struct added_tokens *added = &tokenizer->added;
    for (size_t i = 0; i < config->special.count; i++) {
        const struct added_token *token = &config->special.tokens[i];
        if (!added_tokens_find(added, token->text, token->length) && !added_tokens_add(added, token, err))
            return false;
    }
    if (!added_tokens_finish(added, &tokenizer->normalizer, err))
        return false;
    const struct vocabulary *vocabulary = &tokenizer->model.vocabulary;
    int32_t highest = vocabulary->tokens[vocabulary->count - 1].id;
    tokenizer->vocab_size = (size_t)(highest > added->highest_id ? highest : added->highest_id) + 1;
    if (!check_template(tokenizer, &tokenizer->postprocessor.single, err) ||
        !check_template(tokenizer, &tokenizer->postprocessor.pair, err))
        return false;
    tokenizer->max_length = config->max_length;
    tokenizer->has_types = config->has_types;
    tokenizer->postprocessor.truncate_left = config->truncate_left;
    return true;
}

bool tokenizer_add_list(struct tokenizer *tokenizer, const struct added_list *list, struct error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (!added_tokens_add(&tokenizer->added, &list->tokens[i], err))
            return false;
    return true;
}

/* The id of a special token's text, which is in the vocabulary or was added. */
static int32_t special_id(const struct tokenizer *tokenizer, const char *text)
{
    const struct added_token *token = added_tokens_find(&tokenizer->added, text, strlen(text));
    return token ? token->id : -1;
}

bool tokenizer_finish_bert(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                           const struct added_list *file_tokens, struct error *err)
{
    const struct added_list *list = config->has_added ? &config->added : file_tokens;
    struct added_tokens *added = &tokenizer->added;
    if (!config->cls || !config->sep)
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer_config.json: \"cls_token\" and \"sep_token\" must not be null");
    tokenizer->normalizer = config->normalizer;
    if (!added_tokens_init(added, list->count + config->special.count, &tokenizer->model.vocabulary,
                           &tokenizer->arena))
        return tokenizer_no_memory(err);
    if (!tokenizer_add_list(tokenizer, list, err) || !tokenizer_finish_added(tokenizer, config, err))
        return false;
    int32_t cls_id = special_id(tokenizer, config->cls), sep_id = special_id(tokenizer, config->sep);
    if (cls_id < 0 || sep_id < 0)
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer_config.json: \"cls_token\" and \"sep_token\" must not be empty");
    return tokenizer_set_bert_template(tokenizer, cls_id, sep_id, err);
}
