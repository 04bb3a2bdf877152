/* The "normalizer" of a tokenizer.json. */
#include <string.h>

#include "text/tokenizer_parts.h"

static const char WHERE[] = "tokenizer.json: normalizer";
static const char SUPPORTED[] =
    "BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, "
    "Prepend, Nmt, Precompiled and Sequence";

static bool add_step(struct tokenizer *tokenizer, struct step **out, struct error *err)
{
    struct normalizer *normalizer = &tokenizer->normalizer;
    if (normalizer->count == NORMALIZER_MAX_STEPS)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: more than %d of them are not supported", WHERE,
                         NORMALIZER_MAX_STEPS);
    if (!normalizer->steps)
        normalizer->steps = arena_calloc(&tokenizer->arena, NORMALIZER_MAX_STEPS, sizeof *normalizer->steps);
    if (!normalizer->steps)
        return tokenizer_no_memory(err);
    *out = &normalizer->steps[normalizer->count++];
    return true;
}

static bool read_bert(yyjson_val *part, struct bert_normalizer *out, struct error *err)
{
    static const char *const required[] = {"clean_text", "handle_chinese_chars", "lowercase"};
    bool *const fields[] = {&out->clean_text, &out->handle_chinese_chars, &out->lowercase};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!tokenizer_need_bool(part, required[i], fields[i], WHERE, err))
            return false;
    out->strip_accents = out->lowercase;
    if (yyjson_is_null(yyjson_obj_get(part, "strip_accents")))
        return true;
    return json_read_bool(part, "strip_accents", &out->strip_accents, WHERE, err);
}

static bool read_content(struct tokenizer *tokenizer, yyjson_val *part, const char *key, struct step *step,
                         struct error *err)
{
    const char *text;
    if (!tokenizer_need_string(part, key, &text, &step->content_length, WHERE, err))
        return false;
    step->content = arena_strndup(&tokenizer->arena, text, step->content_length);
    return step->content || tokenizer_no_memory(err);
}

static bool read_charsmap(struct tokenizer *tokenizer, yyjson_val *part, struct step *step, struct error *err)
{
    const char *text;
    size_t length;
    return tokenizer_need_string(part, "precompiled_charsmap", &text, &length, WHERE, err) &&
           charsmap_read(&step->charsmap, text, length, &tokenizer->arena, err);
}

static const struct {
    const char *type;
    enum step_kind kind;
    enum normal_form form;
} TYPES[] = {
    {"BertNormalizer", STEP_BERT, 0},
    {"NFC", STEP_FORM, FORM_NFC},
    {"NFD", STEP_FORM, FORM_NFD},
    {"NFKC", STEP_FORM, FORM_NFKC},
    {"NFKD", STEP_FORM, FORM_NFKD},
    {"Lowercase", STEP_LOWERCASE, 0},
    {"StripAccents", STEP_STRIP_ACCENTS, 0},
    {"Strip", STEP_STRIP, 0},
    {"Replace", STEP_REPLACE, 0},
    {"Prepend", STEP_PREPEND, 0},
    {"Nmt", STEP_NMT, 0},
    {"Precompiled", STEP_CHARSMAP, 0},
};

static bool read_settings(struct tokenizer *tokenizer, yyjson_val *part, struct step *step, struct error *err)
{
    switch (step->kind) {
    case STEP_BERT:
        return read_bert(part, &step->bert, err);
    case STEP_STRIP:
        return tokenizer_need_bool(part, "strip_left", &step->strips_left, WHERE, err) &&
               tokenizer_need_bool(part, "strip_right", &step->strips_right, WHERE, err);
    case STEP_REPLACE:
        return tokenizer_read_pattern(tokenizer, part, WHERE, &step->pattern, err) &&
               read_content(tokenizer, part, "content", step, err);
    case STEP_PREPEND:
        return read_content(tokenizer, part, "prepend", step, err);
    case STEP_CHARSMAP:
        return read_charsmap(tokenizer, part, step, err);
    default:
        return true;
    }
}

static bool read_part(struct tokenizer *tokenizer, yyjson_val *part, struct error *err)
{
    const char *type = tokenizer_part_type(part, "normalizer", err);
    if (!type)
        return false;
    if (strcmp(type, "Sequence") == 0) {
        yyjson_val *list = tokenizer_need_list(part, "normalizers", WHERE, err), *item;
        size_t index, max;
        yyjson_arr_foreach (list, index, max, item) {
            if (!read_part(tokenizer, item, err))
                return false;
        }
        return list != NULL;
    }
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        if (strcmp(type, TYPES[i].type) != 0)
            continue;
        struct step *step = NULL;
        if (!add_step(tokenizer, &step, err))
            return false;
        *step = (struct step){.kind = TYPES[i].kind, .form = TYPES[i].form};
        return read_settings(tokenizer, part, step, err);
    }
    return tokenizer_refuse_type("normalizer", type, SUPPORTED, err);
}

bool tokenizer_read_normalizer(struct tokenizer *tokenizer, yyjson_val *root, struct error *err)
{
    yyjson_val *part = yyjson_obj_get(root, "normalizer");
    return !part || yyjson_is_null(part) || read_part(tokenizer, part, err);
}

bool tokenizer_read_charsmap(struct tokenizer *tokenizer, yyjson_val *root, struct error *err)
{
    yyjson_val *part = yyjson_obj_get(root, "normalizer"), *item;
    yyjson_val *list = yyjson_obj_get(part, "normalizers");
    size_t index, max;
    if (yyjson_equals_str(yyjson_obj_get(part, "type"), "Precompiled"))
        return read_part(tokenizer, part, err);
    yyjson_arr_foreach (list, index, max, item) {
        if (yyjson_equals_str(yyjson_obj_get(item, "type"), "Precompiled"))
            return read_part(tokenizer, item, err);
    }
    return true;
}
