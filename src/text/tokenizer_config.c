#include "text/tokenizer_config.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

static const char FILE_NAME[] = "tokenizer_config.json";

/* A model_max_length from here on means "none" (transformers writes 1e30 there). */
static const double NO_MAX_LENGTH = 1e9;

bool json_read_bool(yyjson_val *object, const char *key, bool *inout, const char *where, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value)
        return true;
    if (!yyjson_is_bool(value))
        return error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is %s; it must be true or false", where, key,
                         json_type_words(value));
    *inout = yyjson_get_bool(value);
    return true;
}

bool added_token_read(yyjson_val *object, const char *where, struct added_token *out, struct error *err)
{
    yyjson_val *content = yyjson_obj_get(object, "content");
    if (!yyjson_is_str(content))
        return error_set(err, ERR_BAD_MODEL,
                         "%s: an added token must be an object whose \"content\" is a string", where);
    *out = (struct added_token){.text = yyjson_get_str(content), .length = yyjson_get_len(content)};
    if (!json_read_bool(object, "special", &out->special, where, err))
        return false;
    out->normalized = !out->special;
    return json_read_bool(object, "single_word", &out->single_word, where, err) &&
           json_read_bool(object, "lstrip", &out->lstrip, where, err) &&
           json_read_bool(object, "rstrip", &out->rstrip, where, err) &&
           json_read_bool(object, "normalized", &out->normalized, where, err);
}

/* A string that may be absent or null: then NULL. */
static bool read_string(yyjson_val *root, const char *key, const char *file, const char **out,
                        struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    *out = yyjson_get_str(value);
    return *out || !value || yyjson_is_null(value) ||
           error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is %s; it must be a string", file, key,
                     json_type_words(value));
}

static bool read_class(yyjson_val *root, yyjson_val *model, struct tokenizer_config *out, struct error *err)
{
    const char *name, *model_name, *model_type;
    if (!read_string(root, "tokenizer_class", FILE_NAME, &name, err) ||
        !read_string(model, "tokenizer_class", "config.json", &model_name, err) ||
        !read_string(model, "model_type", "config.json", &model_type, err))
        return false;
    if (!name)
        name = model_name;
    out->class = tokenizer_class_find(name, model_type);
    return out->class ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%s: the tokenizer class \"%.100s\" is not supported; those of BERT and its "
                     "kin, MPNet, RoBERTa, DeBERTa, XLM-RoBERTa, CamemBERT, ALBERT, DeBERTa-v2 and "
                     "PreTrainedTokenizerFast are",
                     FILE_NAME, name);
}

/* What the classes that are not BERT's take. A token at either end that the file's template lacks would be
 * missing: transformers makes a template of these two settings, whatever tokenizer.json says. */
static bool read_settings(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    const enum tokenizer_class_id id = out->class->id;
    yyjson_val *unknown = yyjson_obj_get(root, "unk_id");
    if (id == CLASS_FILE && (yyjson_obj_get(root, "add_bos_token") || yyjson_obj_get(root, "add_eos_token")))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: \"add_bos_token\" and \"add_eos_token\" are not supported", FILE_NAME);
    out->do_lower_case = id == CLASS_ALBERT;
    out->add_prefix_space = id != CLASS_ROBERTA && id != CLASS_DEBERTA;
    out->trim_offsets = true;
    out->unknown_id = 1;
    if (!json_read_bool(root, "clean_up_tokenization_spaces", &out->cleans_up, FILE_NAME, err))
        return false;
    if (id == CLASS_FILE || id == CLASS_BERT || id == CLASS_MPNET)
        return true;
    if (unknown && !yyjson_is_uint(unknown))
        return error_set(err, ERR_BAD_MODEL, "%s: \"unk_id\" must be a whole number", FILE_NAME);
    if (unknown)
        out->unknown_id = (size_t)yyjson_get_uint(unknown);
    return json_read_bool(root, "do_lower_case", &out->do_lower_case, FILE_NAME, err) &&
           json_read_bool(root, "add_prefix_space", &out->add_prefix_space, FILE_NAME, err) &&
           json_read_bool(root, "trim_offsets", &out->trim_offsets, FILE_NAME, err) &&
           json_read_bool(root, "keep_accents", &out->keep_accents, FILE_NAME, err) &&
           json_read_bool(root, "split_by_punct", &out->split_by_punct, FILE_NAME, err);
}

static bool read_normalizer(yyjson_val *root, struct bert_normalizer *out, struct error *err)
{
    if (!json_read_bool(root, "do_lower_case", &out->lowercase, FILE_NAME, err) ||
        !json_read_bool(root, "tokenize_chinese_chars", &out->handle_chinese_chars, FILE_NAME, err))
        return false;
    out->strip_accents = out->lowercase;
    if (yyjson_is_null(yyjson_obj_get(root, "strip_accents")))
        return true;
    return json_read_bool(root, "strip_accents", &out->strip_accents, FILE_NAME, err);
}

static bool read_max_length(yyjson_val *root, size_t *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, "model_max_length");
    if (!value)
        value = yyjson_obj_get(root, "max_len");
    if (!value || yyjson_is_null(value))
        return true;
    double number = yyjson_get_num(value);
    if (!yyjson_is_num(value) || number < 1)
        return error_set(err, ERR_BAD_MODEL,
                         "%s: \"model_max_length\" is %s; it must be a number of tokens, 1 or more",
                         FILE_NAME, yyjson_is_num(value) ? "less than 1" : json_type_words(value));
    *out = number < NO_MAX_LENGTH ? (size_t)number : 0;
    return true;
}

static bool read_truncation(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    yyjson_val *side = yyjson_obj_get(root, "truncation_side");
    bool split_special = false;
    if (side && !yyjson_equals_str(side, "left") && !yyjson_equals_str(side, "right"))
        return error_set(err, ERR_BAD_MODEL, "%s: \"truncation_side\" must be \"right\" or \"left\"",
                         FILE_NAME);
    out->has_truncation_side = side != NULL;
    out->truncate_left = yyjson_equals_str(side, "left");
    if (!json_read_bool(root, "split_special_tokens", &split_special, FILE_NAME, err))
        return false;
    if (split_special)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: \"split_special_tokens\": true is not supported",
                         FILE_NAME);
    return true;
}

/* The file's own list overrides the class's. */
static bool read_input_names(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    yyjson_val *names = yyjson_obj_get(root, "model_input_names"), *name;
    size_t index, max;
    out->has_types = out->class->has_types;
    if (!names || yyjson_is_null(names))
        return true;
    if (!yyjson_is_arr(names))
        return error_set(err, ERR_BAD_MODEL, "%s: \"model_input_names\" is %s; it must be a list", FILE_NAME,
                         json_type_words(names));
    out->has_types = false;
    yyjson_arr_foreach (names, index, max, name)
        out->has_types = out->has_types || yyjson_equals_str(name, "token_type_ids");
    return true;
}

struct numbered_token {
    long id;
    struct added_token token;
};

static int compare_numbered(const void *left, const void *right)
{
    const struct numbered_token *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

/* added_tokens_decoder: {"100": {"content": "[UNK]", ...}, ...}. Only the order of its ids counts. */
static bool read_added(yyjson_val *root, struct arena *arena, struct tokenizer_config *out, struct error *err)
{
    yyjson_val *list = yyjson_obj_get(root, "added_tokens_decoder"), *key, *value;
    if (!list)
        return true;
    if (!yyjson_is_obj(list))
        return error_set(err, ERR_BAD_MODEL, "%s: \"added_tokens_decoder\" is %s; it must be an object",
                         FILE_NAME, json_type_words(list));
    size_t count = yyjson_obj_size(list), index, max;
    struct numbered_token *sorted = arena_calloc(arena, count, sizeof *sorted);
    out->added.tokens = arena_calloc(arena, count, sizeof *out->added.tokens);
    if (!sorted || !out->added.tokens)
        return tokenizer_no_memory(err);
    yyjson_obj_foreach (list, index, max, key, value) {
        char *end;
        const char *digits = yyjson_get_str(key);
        sorted[index].id = strtol(digits, &end, 10);
        if (end == digits || *end || sorted[index].id < 0 || sorted[index].id > VOCABULARY_MAX_ID)
            return error_set(err, ERR_BAD_MODEL, "%s: added_tokens_decoder: \"%.40s\" is no id of 0..%d",
                             FILE_NAME, digits, VOCABULARY_MAX_ID);
        if (!added_token_read(value, "tokenizer_config.json: added_tokens_decoder", &sorted[index].token,
                              err))
            return false;
    }
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, compare_numbered);
    for (size_t i = 0; i < count; i++)
        out->added.tokens[i] = sorted[i].token;
    out->added.count = count;
    out->has_added = true;
    return true;
}

/* A special token's value: a string, or an added token's object. transformers makes both special. */
static bool read_special(yyjson_val *value, const char *key, struct tokenizer_config *out, struct error *err)
{
    struct added_token token = {0};
    if (yyjson_is_str(value)) {
        token.text = yyjson_get_str(value);
        token.length = yyjson_get_len(value);
    } else if (!yyjson_is_obj(value)) {
        return error_set(err, ERR_BAD_MODEL,
                         "%s: \"%.60s\" is %s; it must be a string or an added token's object", FILE_NAME,
                         key, json_type_words(value));
    } else if (!added_token_read(value, FILE_NAME, &token, err)) {
        return false;
    }
    token.special = true;
    out->special.tokens[out->special.count++] = token;
    return true;
}

static void add_default(const char *text, struct tokenizer_config *out)
{
    out->special.tokens[out->special.count++] =
        (struct added_token){.text = text, .length = strlen(text), .special = true};
}

/* By enum special_name. */
static const char *const SPECIAL_KEYS[SPECIAL_COUNT] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                        "pad_token", "cls_token", "mask_token"};

static bool is_known_special(const char *key)
{
    for (size_t i = 0; i < SPECIAL_COUNT; i++)
        if (strcmp(key, SPECIAL_KEYS[i]) == 0)
            return true;
    return false;
}

static bool read_known_specials(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        yyjson_val *value = yyjson_obj_get(root, SPECIAL_KEYS[i]);
        if (value && !yyjson_is_null(value)) {
            if (!read_special(value, SPECIAL_KEYS[i], out, err))
                return false;
        } else if (!value && out->class->special[i]) {
            add_default(out->class->special[i], out);
        } else {
            continue;
        }
        struct added_token *token = &out->special.tokens[out->special.count - 1];
        if (memchr(token->text, '\0', token->length))
            return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: \"%s\" has a NUL in it, which is not supported",
                             FILE_NAME, SPECIAL_KEYS[i]);
        out->named[i] = token->text;
        if (yyjson_is_obj(value))
            continue;
        token->normalized = out->class->normalizes_special;
        token->lstrip = i == SPECIAL_MASK && out->class->mask_strips_left;
    }
    return true;
}

/* A model's own names ("image_token": "<image>"), then the list of nameless ones. */
static bool read_other_specials(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    size_t index, max;
    yyjson_val *key, *value, *extra = yyjson_obj_get(root, "extra_special_tokens");
    yyjson_obj_foreach (root, index, max, key, value) {
        const char *name = yyjson_get_str(key);
        size_t length = yyjson_get_len(key);
        if (length < 6 || strcmp(name + length - 6, "_token") != 0 || is_known_special(name))
            continue;
        if ((yyjson_is_str(value) || yyjson_is_obj(value)) && !read_special(value, name, out, err))
            return false;
    }
    if (yyjson_get_len(extra) == 0)
        extra = yyjson_obj_get(root, "additional_special_tokens");
    if ((!extra || yyjson_is_null(extra)) && out->class->id == CLASS_CAMEMBERT) {
        add_default("<s>NOTUSED", out);
        add_default("</s>NOTUSED", out);
        add_default("<unk>NOTUSED", out);
    }
    if (!extra || yyjson_is_null(extra))
        return true;
    if (!yyjson_is_arr(extra) && !yyjson_is_obj(extra))
        return error_set(err, ERR_BAD_MODEL, "%s: the extra special tokens are %s; they must be a list",
                         FILE_NAME, json_type_words(extra));
    yyjson_arr_foreach (extra, index, max, value) {
        if (!read_special(value, "extra_special_tokens", out, err))
            return false;
    }
    yyjson_obj_foreach (extra, index, max, key, value) {
        if (!read_special(value, yyjson_get_str(key), out, err))
            return false;
    }
    return true;
}

/* Named ones, CamemBERT's extra ones, and what else the file may have. */
static size_t count_specials(yyjson_val *root)
{
    return SPECIAL_COUNT + 3 + yyjson_obj_size(root) +
           yyjson_get_len(yyjson_obj_get(root, "extra_special_tokens")) +
           yyjson_get_len(yyjson_obj_get(root, "additional_special_tokens"));
}

bool tokenizer_config_read(struct blob blob, struct blob model, struct arena *arena,
                           struct tokenizer_config *out, struct error *err)
{
    *out = (struct tokenizer_config){
        .normalizer = {.clean_text = true, .handle_chinese_chars = true, .lowercase = true},
    };
    yyjson_val *root = NULL, *model_root = NULL;
    if (blob.bytes && !(root = tokenizer_parse(blob, FILE_NAME, arena, err)))
        return false;
    if (model.bytes && !(model_root = tokenizer_parse(model, "config.json", arena, err)))
        return false;
    out->special.tokens = arena_calloc(arena, count_specials(root), sizeof *out->special.tokens);
    if (!out->special.tokens)
        return tokenizer_no_memory(err);
    return read_class(root, model_root, out, err) && read_normalizer(root, &out->normalizer, err) &&
           read_settings(root, out, err) && read_max_length(root, &out->max_length, err) &&
           read_input_names(root, out, err) && read_truncation(root, out, err) &&
           read_added(root, arena, out, err) && read_known_specials(root, out, err) &&
           read_other_specials(root, out, err);
}
