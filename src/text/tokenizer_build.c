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

static bool put_lowercase_first(struct tokenizer *tokenizer, struct error *err)
{
    struct normalizer *normalizer = &tokenizer->normalizer;
    for (size_t i = 0; i < normalizer->count; i++)
        if (normalizer->steps[i].kind == STEP_LOWERCASE)
            return true;
    struct step *steps = arena_calloc(&tokenizer->arena, normalizer->count + 1, sizeof *steps);
    if (!steps)
        return tokenizer_no_memory(err);
    steps[0] = (struct step){.kind = STEP_LOWERCASE};
    for (size_t i = 0; i < normalizer->count; i++)
        steps[i + 1] = normalizer->steps[i];
    normalizer->steps = steps;
    normalizer->count++;
    return true;
}

struct tokenizer *tokenizer_open(const struct tokenizer_files *files, struct error *err)
{
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer) {
        tokenizer_no_memory(err);
        return NULL;
    }
    struct arena scratch;
    arena_init(&tokenizer->arena, 0, SIZE_MAX);
    arena_init(&scratch, 0, SIZE_MAX);
    bool built = files->json.bytes ? tokenizer_build_json(tokenizer, files, &scratch, err)
                                   : tokenizer_build_vocab(tokenizer, files, &scratch, err);
    arena_free(&scratch);
    if (built && (!files->lower_case || put_lowercase_first(tokenizer, err)))
        return tokenizer;
    tokenizer_close(tokenizer);
    return NULL;
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

const char *tokenizer_part_type(yyjson_val *part, const char *key, struct error *err)
{
    yyjson_val *type = yyjson_obj_get(part, "type");
    if (!yyjson_is_str(type))
        error_set(err, ERR_BAD_MODEL, "tokenizer.json: %s must be an object with a \"type\"", key);
    return yyjson_get_str(type);
}

bool tokenizer_refuse_type(const char *key, const char *type, const char *supported, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "tokenizer.json: a %s of type \"%.60s\" is not supported; %s are", key, type, supported);
}

yyjson_val *tokenizer_need_list(yyjson_val *part, const char *key, const char *where, struct error *err)
{
    yyjson_val *list = yyjson_obj_get(part, key);
    if (yyjson_is_arr(list))
        return list;
    error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is %s; it must be a list", where, key,
              list ? json_type_words(list) : "missing");
    return NULL;
}

bool tokenizer_need_bool(yyjson_val *part, const char *key, bool *out, const char *where, struct error *err)
{
    if (!yyjson_obj_get(part, key))
        return error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is missing", where, key);
    return json_read_bool(part, key, out, where, err);
}

bool tokenizer_need_string(yyjson_val *part, const char *key, const char **out, size_t *length,
                           const char *where, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(part, key);
    if (!yyjson_is_str(value))
        return error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is %s; it must be a string", where, key,
                         value ? json_type_words(value) : "missing");
    *out = yyjson_get_str(value);
    *length = yyjson_get_len(value);
    return true;
}

bool tokenizer_read_pattern(struct tokenizer *tokenizer, yyjson_val *part, const char *where,
                            struct pattern *out, struct error *err)
{
    yyjson_val *pattern = yyjson_obj_get(part, "pattern");
    yyjson_val *string = yyjson_obj_get(pattern, "String"), *regex = yyjson_obj_get(pattern, "Regex");
    if (yyjson_is_str(string))
        return pattern_literal(out, yyjson_get_str(string), yyjson_get_len(string), &tokenizer->arena, err);
    if (yyjson_is_str(regex))
        return pattern_regex(out, yyjson_get_str(regex), yyjson_get_len(regex), &tokenizer->arena, err);
    return error_set(err, ERR_BAD_MODEL, "%s: \"pattern\" must be an object with a \"String\" or a \"Regex\"",
                     where);
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

bool tokenizer_finish_vocabulary(struct tokenizer *tokenizer, struct error *err)
{
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    const struct token *first, *second;
    vocabulary_finish(vocabulary);
    if (vocabulary->count == 0)
        return error_set(err, ERR_BAD_MODEL, "the vocabulary is empty");
    if (vocabulary_find_shared_id(vocabulary, &first, &second))
        return error_set(err, ERR_BAD_MODEL, "the tokens \"%.100s\" and \"%.100s\" have the same id %d",
                         first->text, second->text, first->id);
    return true;
}

bool tokenizer_find_unknown(const struct tokenizer *tokenizer, const char *unknown, int32_t *id,
                            struct error *err)
{
    *id = vocabulary_find(&tokenizer->vocabulary, unknown, strlen(unknown));
    return *id >= 0 || error_set(err, ERR_BAD_MODEL,
                                 "the unknown token \"%.100s\" is not in the vocabulary of %zu tokens",
                                 unknown, tokenizer->vocabulary.count);
}

bool tokenizer_set_wordpiece(struct tokenizer *tokenizer, const char *unknown, const char *prefix,
                             size_t prefix_length, uint64_t max_characters, struct error *err)
{
    struct wordpiece *model = &tokenizer->wordpiece;
    if (!tokenizer_finish_vocabulary(tokenizer, err) ||
        !tokenizer_find_unknown(tokenizer, unknown, &model->unknown_id, err))
        return false;
    tokenizer->kind = MODEL_WORDPIECE;
    model->vocabulary = &tokenizer->vocabulary;
    if (!wordpiece_set_prefix(model, prefix, prefix_length, &tokenizer->arena))
        return tokenizer_no_memory(err);
    model->max_characters = max_characters < SIZE_MAX ? (size_t)max_characters : SIZE_MAX;
    return true;
}

bool tokenizer_set_bert_parts(struct tokenizer *tokenizer, const struct bert_normalizer *settings,
                              struct error *err)
{
    struct step *step = arena_calloc(&tokenizer->arena, 1, sizeof *step);
    struct stage *stage = arena_calloc(&tokenizer->arena, 1, sizeof *stage);
    if (!step || !stage)
        return tokenizer_no_memory(err);
    *step = (struct step){.kind = STEP_BERT, .bert = *settings};
    *stage = (struct stage){.kind = STAGE_BERT};
    tokenizer->normalizer = (struct normalizer){step, 1};
    tokenizer->pretokenizer = (struct pretokenizer){stage, 1};
    return true;
}

/* A template may name any id; one without a token is a mistake in the file. */
static bool check_template(const struct tokenizer *tokenizer, const struct template *template,
                           struct error *err)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->kind == PIECE_TOKEN && !tokenizer_token(tokenizer, piece->id).text)
            return error_set(err, ERR_BAD_MODEL, "the post_processor adds the id %d, which no token has",
                             piece->id);
    }
    return true;
}

static void find_specials(struct tokenizer *tokenizer, const struct tokenizer_config *config)
{
    static const enum special_name names[SPECIAL_ID_COUNT] = {
        [SPECIAL_ID_MASK] = SPECIAL_MASK, [SPECIAL_ID_PAD] = SPECIAL_PAD, [SPECIAL_ID_UNKNOWN] = SPECIAL_UNK};
    for (size_t i = 0; i < SPECIAL_ID_COUNT; i++) {
        const char *text = config->named[names[i]];
        tokenizer->special_ids[i] = text ? tokenizer_find(tokenizer, text, strlen(text)) : -1;
    }
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
    if (!check_template(tokenizer, &tokenizer->postprocessor.single, err) ||
        !check_template(tokenizer, &tokenizer->postprocessor.pair, err))
        return false;
    tokenizer->max_length = config->max_length;
    tokenizer->cleans_up = config->cleans_up;
    find_specials(tokenizer, config);
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
