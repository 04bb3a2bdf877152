#include "text/tokenizer_config.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

static const char FILE_NAME[] = "tokenizer_config.json";

/* transformers 5.24: AutoTokenizer makes a BertTokenizer of each of these, with or without "Fast" behind
 * it. */
static const char *const BERT_CLASSES[] = {"BertTokenizer",       "DistilBertTokenizer", "ElectraTokenizer",
                                           "MobileBertTokenizer", "LayoutLMTokenizer",   "LxmertTokenizer",
                                           "SqueezeBertTokenizer"};
static const char *const FILE_CLASSES[] = {"PreTrainedTokenizer", "TokenizersBackend"};

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

static bool is_class(const char *name, const char *const classes[], size_t count)
{
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, "Fast") == 0)
        length -= 4;
    for (size_t i = 0; i < count; i++)
        if (strlen(classes[i]) == length && strncmp(classes[i], name, length) == 0)
            return true;
    return false;
}

static bool read_class(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, "tokenizer_class");
    if (!value || yyjson_is_null(value))
        return true;
    const char *name = yyjson_get_str(value);
    if (!name)
        return error_set(err, ERR_BAD_MODEL, "%s: \"tokenizer_class\" is %s; it must be a string", FILE_NAME,
                         json_type_words(value));
    out->rebuilds_bert = is_class(name, BERT_CLASSES, sizeof BERT_CLASSES / sizeof *BERT_CLASSES);
    if (!out->rebuilds_bert && !is_class(name, FILE_CLASSES, sizeof FILE_CLASSES / sizeof *FILE_CLASSES))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: the tokenizer class \"%.100s\" is not supported; BertTokenizer and its kin and "
                         "PreTrainedTokenizerFast are",
                         FILE_NAME, name);
    return true;
}

static bool read_normalizer(yyjson_val *root, struct normalizer *out, struct error *err)
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

/* transformers 5.24: BertTokenizer lists token_type_ids among its model_input_names, PreTrainedTokenizerFast
 * does not; the file's own list overrides either. */
static bool read_input_names(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    yyjson_val *names = yyjson_obj_get(root, "model_input_names"), *name;
    size_t index, max;
    out->has_types = out->rebuilds_bert;
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

/* The names that transformers knows, in its order, and what a rebuilt BertTokenizer puts where the file has
 * none. */
static const struct {
    const char *key, *bert;
} SPECIAL_TOKENS[] = {
    {"bos_token", NULL},    {"eos_token", NULL},    {"unk_token", "[UNK]"},   {"sep_token", "[SEP]"},
    {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"},
};
enum { SPECIAL_TOKEN_COUNT = sizeof SPECIAL_TOKENS / sizeof *SPECIAL_TOKENS };

static bool is_known_special(const char *key)
{
    for (size_t i = 0; i < SPECIAL_TOKEN_COUNT; i++)
        if (strcmp(key, SPECIAL_TOKENS[i].key) == 0)
            return true;
    return false;
}

static bool read_known_specials(yyjson_val *root, struct tokenizer_config *out, struct error *err)
{
    for (size_t i = 0; i < SPECIAL_TOKEN_COUNT; i++) {
        const char *key = SPECIAL_TOKENS[i].key, *bert = out->rebuilds_bert ? SPECIAL_TOKENS[i].bert : NULL;
        yyjson_val *value = yyjson_obj_get(root, key);
        if (value && !yyjson_is_null(value)) {
            if (!read_special(value, key, out, err))
                return false;
        } else if (!value && bert) {
            out->special.tokens[out->special.count++] =
                (struct added_token){.text = bert, .length = strlen(bert), .special = true};
        } else {
            continue;
        }
        const char *text = out->special.tokens[out->special.count - 1].text;
        if (strcmp(key, "unk_token") == 0)
            out->unknown = text;
        else if (strcmp(key, "cls_token") == 0)
            out->cls = text;
        else if (strcmp(key, "sep_token") == 0)
            out->sep = text;
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

bool tokenizer_config_read(struct blob blob, struct arena *arena, struct tokenizer_config *out,
                           struct error *err)
{
    *out = (struct tokenizer_config){
        .rebuilds_bert = true,
        .normalizer = {.clean_text = true, .handle_chinese_chars = true, .lowercase = true},
    };
    yyjson_val *root = NULL;
    size_t room = SPECIAL_TOKEN_COUNT;
    if (blob.bytes) {
        root = tokenizer_parse(blob, FILE_NAME, arena, err);
        if (!root)
            return false;
        room += yyjson_obj_size(root) + yyjson_get_len(yyjson_obj_get(root, "extra_special_tokens")) +
                yyjson_get_len(yyjson_obj_get(root, "additional_special_tokens"));
    }
    out->special.tokens = arena_calloc(arena, room, sizeof *out->special.tokens);
    if (!out->special.tokens)
        return tokenizer_no_memory(err);
    return read_class(root, out, err) && read_normalizer(root, &out->normalizer, err) &&
           read_max_length(root, &out->max_length, err) && read_input_names(root, out, err) &&
           read_truncation(root, out, err) && read_added(root, arena, out, err) &&
           read_known_specials(root, out, err) && read_other_specials(root, out, err);
}
