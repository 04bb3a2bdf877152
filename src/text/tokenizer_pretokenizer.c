/* The "pre_tokenizer" of a tokenizer.json. */
#include <string.h>

#include "text/tokenizer_parts.h"
#include "text/unicode.h"

static const char WHERE[] = "tokenizer.json: pre_tokenizer";
static const char SUPPORTED[] =
    "BertPreTokenizer, ByteLevel, Metaspace, Split, Punctuation, Digits, Whitespace, "
    "WhitespaceSplit, CharDelimiterSplit and Sequence";

static const char GPT2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static bool add_stage(struct tokenizer *tokenizer, struct stage **out, struct error *err)
{
    struct pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    if (pretokenizer->count == PRETOKENIZER_MAX_STAGES)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: more than %d of them are not supported", WHERE,
                         PRETOKENIZER_MAX_STAGES);
    if (pretokenizer->count && pretokenizer->stages[pretokenizer->count - 1].kind == STAGE_BYTE_LEVEL)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: a ByteLevel that is not the last is not supported",
                         WHERE);
    if (!pretokenizer->stages)
        pretokenizer->stages =
            arena_calloc(&tokenizer->arena, PRETOKENIZER_MAX_STAGES, sizeof *pretokenizer->stages);
    if (!pretokenizer->stages)
        return tokenizer_no_memory(err);
    *out = &pretokenizer->stages[pretokenizer->count++];
    return true;
}

static bool read_behavior(yyjson_val *part, enum split_behavior *out, struct error *err)
{
    static const char *const names[] = {
        [SPLIT_ISOLATED] = "Isolated",
        [SPLIT_REMOVED] = "Removed",
        [SPLIT_CONTIGUOUS] = "Contiguous",
        [SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
    };
    yyjson_val *behavior = yyjson_obj_get(part, "behavior");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (yyjson_equals_str(behavior, names[i])) {
            *out = (enum split_behavior)i;
            return true;
        }
    }
    return error_set(err, ERR_BAD_MODEL,
                     "%s: \"behavior\" must be Isolated, Removed, Contiguous, MergedWithPrevious or "
                     "MergedWithNext",
                     WHERE);
}

static bool read_split(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage, struct error *err)
{
    stage->kind = STAGE_SPLIT;
    return tokenizer_read_pattern(tokenizer, part, WHERE, &stage->pattern, err) &&
           read_behavior(part, &stage->behavior, err) &&
           tokenizer_need_bool(part, "invert", &stage->invert, WHERE, err);
}

static bool read_punctuation(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage,
                             struct error *err)
{
    stage->kind = STAGE_SPLIT;
    stage->behavior = SPLIT_ISOLATED;
    return (!yyjson_obj_get(part, "behavior") || read_behavior(part, &stage->behavior, err)) &&
           pattern_characters(&stage->pattern, UNICODE_PUNCTUATION, &tokenizer->arena, err);
}

static bool read_digits(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage, struct error *err)
{
    bool individual = false;
    if (!tokenizer_need_bool(part, "individual_digits", &individual, WHERE, err))
        return false;
    stage->kind = STAGE_SPLIT;
    stage->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    return pattern_characters(&stage->pattern, PATTERN_KINDS(UNICODE_NUMERIC), &tokenizer->arena, err);
}

static bool read_whitespace(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage,
                            struct error *err)
{
    (void)part;
    stage->kind = STAGE_SPLIT;
    stage->behavior = SPLIT_REMOVED;
    stage->invert = true;
    return pattern_words(&stage->pattern, &tokenizer->arena, err);
}

static bool read_whitespace_split(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage,
                                  struct error *err)
{
    (void)part;
    stage->kind = STAGE_SPLIT;
    stage->behavior = SPLIT_REMOVED;
    return pattern_characters(&stage->pattern, UNICODE_WHITESPACE, &tokenizer->arena, err);
}

/* A string of one character. */
static bool read_character(struct tokenizer *tokenizer, yyjson_val *part, const char *key,
                           struct pattern *out, struct error *err)
{
    const char *text;
    size_t length;
    if (!tokenizer_need_string(part, key, &text, &length, WHERE, err))
        return false;
    const char *at = text;
    if (length > 0)
        utf8_decode(&at, text + length);
    if (length == 0 || at != text + length)
        return error_set(err, ERR_BAD_MODEL, "%s: \"%s\" must be one character", WHERE, key);
    return pattern_literal(out, text, length, &tokenizer->arena, err);
}

static bool read_delimiter(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage,
                           struct error *err)
{
    stage->kind = STAGE_SPLIT;
    stage->behavior = SPLIT_REMOVED;
    return read_character(tokenizer, part, "delimiter", &stage->pattern, err);
}

/* Files of old versions have add_prefix_space where newer ones have prepend_scheme. */
static bool read_metaspace(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage,
                           struct error *err)
{
    static const char *const names[] = {
        [PREPEND_ALWAYS] = "always", [PREPEND_FIRST] = "first", [PREPEND_NEVER] = "never"};
    yyjson_val *scheme = yyjson_obj_get(part, "prepend_scheme");
    bool add_prefix_space = true, known = !scheme;
    stage->kind = STAGE_METASPACE;
    stage->splits = true;
    if (!read_character(tokenizer, part, "replacement", &stage->pattern, err) ||
        !json_read_bool(part, "add_prefix_space", &add_prefix_space, WHERE, err) ||
        !json_read_bool(part, "split", &stage->splits, WHERE, err))
        return false;
    stage->scheme = PREPEND_ALWAYS;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (yyjson_equals_str(scheme, names[i])) {
            stage->scheme = (enum prepend_scheme)i;
            known = true;
        }
    }
    if (!known)
        return error_set(err, ERR_BAD_MODEL, "%s: \"prepend_scheme\" must be always, first or never", WHERE);
    if (!add_prefix_space && scheme && stage->scheme != PREPEND_NEVER)
        return error_set(err, ERR_BAD_MODEL, "%s: \"add_prefix_space\" contradicts \"prepend_scheme\"",
                         WHERE);
    if (!add_prefix_space)
        stage->scheme = PREPEND_NEVER;
    return true;
}

static bool read_byte_level(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage,
                            struct error *err)
{
    bool add_prefix_space = true;
    stage->kind = STAGE_BYTE_LEVEL;
    stage->splits = true;
    if (!tokenizer_need_bool(part, "add_prefix_space", &add_prefix_space, WHERE, err) ||
        !json_read_bool(part, "use_regex", &stage->splits, WHERE, err))
        return false;
    stage->scheme = add_prefix_space ? PREPEND_ALWAYS : PREPEND_NEVER;
    return pattern_regex(&stage->pattern, GPT2, sizeof GPT2 - 1, &tokenizer->arena, err);
}

static bool read_bert(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage, struct error *err)
{
    (void)tokenizer, (void)part, (void)err;
    stage->kind = STAGE_BERT;
    return true;
}

static const struct {
    const char *type;
    bool (*read)(struct tokenizer *tokenizer, yyjson_val *part, struct stage *stage, struct error *err);
} TYPES[] = {
    {"BertPreTokenizer", read_bert},        {"ByteLevel", read_byte_level},
    {"Metaspace", read_metaspace},          {"Split", read_split},
    {"Punctuation", read_punctuation},      {"Digits", read_digits},
    {"Whitespace", read_whitespace},        {"WhitespaceSplit", read_whitespace_split},
    {"CharDelimiterSplit", read_delimiter},
};

static bool read_part(struct tokenizer *tokenizer, yyjson_val *part, struct error *err)
{
    const char *type = tokenizer_part_type(part, "pre_tokenizer", err);
    if (!type)
        return false;
    if (strcmp(type, "Sequence") == 0) {
        yyjson_val *list = tokenizer_need_list(part, "pretokenizers", WHERE, err), *item;
        size_t index, max;
        yyjson_arr_foreach (list, index, max, item) {
            if (!read_part(tokenizer, item, err))
                return false;
        }
        return list != NULL;
    }
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        struct stage *stage = NULL;
        if (strcmp(type, TYPES[i].type) == 0)
            return add_stage(tokenizer, &stage, err) && TYPES[i].read(tokenizer, part, stage, err);
    }
    return tokenizer_refuse_type("pre_tokenizer", type, SUPPORTED, err);
}

bool tokenizer_read_pretokenizer(struct tokenizer *tokenizer, yyjson_val *root, struct error *err)
{
    yyjson_val *part = yyjson_obj_get(root, "pre_tokenizer");
    return !part || yyjson_is_null(part) || read_part(tokenizer, part, err);
}
