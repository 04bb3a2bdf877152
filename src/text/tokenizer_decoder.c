/* The "decoder" of a tokenizer.json, and decoding with what a tokenizer has. */
#include <string.h>

#include "text/tokenizer_parts.h"

static const char WHERE[] = "tokenizer.json: decoder";

static bool set_affix(struct tokenizer *tokenizer, struct decoder_step *step, const char *text, size_t length,
                      struct error *err)
{
    if (length > DECODER_MAX_AFFIX)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: a prefix or replacement of %zu bytes is not supported; at most %d are", WHERE,
                         length, DECODER_MAX_AFFIX);
    step->affix = arena_strndup(&tokenizer->arena, text, length);
    step->affix_length = length;
    return step->affix || tokenizer_no_memory(err);
}

/* A string, of one byte or more, that becomes the affix. */
static bool read_affix(struct tokenizer *tokenizer, struct decoder_step *step, yyjson_val *decoder,
                       const char *key, struct error *err)
{
    const char *text;
    size_t length;
    if (!tokenizer_need_string(decoder, key, &text, &length, WHERE, err))
        return false;
    if (length == 0)
        return error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is empty; it must be a character", WHERE, key);
    return set_affix(tokenizer, step, text, length, err);
}

static bool read_wordpiece(struct tokenizer *tokenizer, yyjson_val *decoder, struct decoder_step *step,
                           struct error *err)
{
    const char *prefix;
    size_t length;
    step->cleans = true;
    return tokenizer_need_string(decoder, "prefix", &prefix, &length, WHERE, err) &&
           json_read_bool(decoder, "cleanup", &step->cleans, WHERE, err) &&
           set_affix(tokenizer, step, prefix, length, err);
}

/* Files of older versions say add_prefix_space in place of prepend_scheme. */
static bool read_metaspace(struct tokenizer *tokenizer, yyjson_val *decoder, struct decoder_step *step,
                           struct error *err)
{
    bool prefix = true;
    yyjson_val *scheme = yyjson_obj_get(decoder, "prepend_scheme");
    if (!json_read_bool(decoder, "add_prefix_space", &prefix, WHERE, err))
        return false;
    step->drops_leading = scheme ? !yyjson_equals_str(scheme, "never") : prefix;
    return read_affix(tokenizer, step, decoder, "replacement", err);
}

static bool read_bpe(struct tokenizer *tokenizer, yyjson_val *decoder, struct decoder_step *step,
                     struct error *err)
{
    return read_affix(tokenizer, step, decoder, "suffix", err);
}

static bool read_count(yyjson_val *decoder, const char *key, size_t *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(decoder, key);
    *out = (size_t)yyjson_get_uint(value);
    return yyjson_is_uint(value) ||
           error_set(err, ERR_BAD_MODEL, "%s: \"%s\" is %s; it must be a whole number", WHERE, key,
                     json_type_words(value));
}

static bool read_strip(struct tokenizer *tokenizer, yyjson_val *decoder, struct decoder_step *step,
                       struct error *err)
{
    return read_affix(tokenizer, step, decoder, "content", err) &&
           read_count(decoder, "start", &step->start, err) && read_count(decoder, "stop", &step->stop, err);
}

static bool read_replace(struct tokenizer *tokenizer, yyjson_val *decoder, struct decoder_step *step,
                         struct error *err)
{
    const char *content;
    size_t length;
    return tokenizer_read_pattern(tokenizer, decoder, WHERE, &step->pattern, err) &&
           tokenizer_need_string(decoder, "content", &content, &length, WHERE, err) &&
           set_affix(tokenizer, step, content, length, err);
}

static const struct {
    const char *type;
    enum decoder_kind kind;
    bool (*read)(struct tokenizer *tokenizer, yyjson_val *decoder, struct decoder_step *step,
                 struct error *err); /* what else there is to say, or NULL */
} decoder_types[] = {
    {"WordPiece", DECODER_WORDPIECE, read_wordpiece},
    {"ByteLevel", DECODER_BYTE_LEVEL, NULL},
    {"Metaspace", DECODER_METASPACE, read_metaspace},
    {"BPEDecoder", DECODER_BPE, read_bpe},
    {"ByteFallback", DECODER_BYTE_FALLBACK, NULL},
    {"Fuse", DECODER_FUSE, NULL},
    {"Strip", DECODER_STRIP, read_strip},
    {"Replace", DECODER_REPLACE, read_replace},
};

/* Adds a step. Where it is not supported, the decoder says so from then on. */
static bool add_step(struct tokenizer *tokenizer, yyjson_val *decoder, struct error *err)
{
    struct decoder *out = &tokenizer->decoder;
    struct decoder_step *step = &out->steps[out->count];
    const char *type = tokenizer_part_type(decoder, "decoder", err);
    size_t i = 0;
    if (!type)
        return false;
    while (i < sizeof decoder_types / sizeof *decoder_types && strcmp(type, decoder_types[i].type) != 0)
        i++;
    if (out->count < DECODER_MAX_STEPS && i < sizeof decoder_types / sizeof *decoder_types) {
        step->kind = decoder_types[i].kind;
        if (!decoder_types[i].read || decoder_types[i].read(tokenizer, decoder, step, err)) {
            out->count++;
            return true;
        }
        if (err->kind != ERR_UNSUPPORTED_MODEL)
            return false;
    }
    out->unsupported = arena_strndup(&tokenizer->arena, type, strlen(type));
    return out->unsupported || tokenizer_no_memory(err);
}

static bool add_steps(struct tokenizer *tokenizer, yyjson_val *decoder, struct error *err)
{
    size_t index, count;
    yyjson_val *part, *parts = yyjson_obj_get(decoder, "decoders");
    if (!yyjson_equals_str(yyjson_obj_get(decoder, "type"), "Sequence"))
        return add_step(tokenizer, decoder, err);
    if (!yyjson_is_arr(parts))
        return error_set(err, ERR_BAD_MODEL, "%s: \"decoders\" is %s; it must be a list", WHERE,
                         json_type_words(parts));
    yyjson_arr_foreach (parts, index, count, part)
        if (!add_steps(tokenizer, part, err))
            return false;
    return true;
}

bool tokenizer_read_decoder(struct tokenizer *tokenizer, yyjson_val *root, struct error *err)
{
    yyjson_val *decoder = yyjson_obj_get(root, "decoder");
    struct decoder *out = &tokenizer->decoder;
    if (!decoder || yyjson_is_null(decoder))
        return true;
    if (!add_steps(tokenizer, decoder, err))
        return false;
    /* Of no decoders: what no decoder changes, joined without spaces. */
    if (out->count == 0)
        out->steps[out->count++].kind = DECODER_FUSE;
    return true;
}

bool tokenizer_set_class_decoder(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                                 struct error *err)
{
    static const char underscore[] = "\xE2\x96\x81";
    const enum tokenizer_class_id id = config->class->id;
    struct decoder_step *out = tokenizer->decoder.steps;
    tokenizer->decoder.unsupported = NULL;
    tokenizer->decoder.count = 1;
    if (id == CLASS_BERT || id == CLASS_MPNET) {
        *out = (struct decoder_step){.kind = DECODER_WORDPIECE, .cleans = true};
        return set_affix(tokenizer, out, "##", 2, err);
    }
    if (id == CLASS_ROBERTA || id == CLASS_DEBERTA) {
        *out = (struct decoder_step){.kind = DECODER_BYTE_LEVEL};
        return true;
    }
    *out = (struct decoder_step){.kind = DECODER_METASPACE,
                                 .drops_leading = id == CLASS_DEBERTA_V2 || config->add_prefix_space};
    return set_affix(tokenizer, out, underscore, strlen(underscore), err);
}

int32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t length)
{
    const struct added_token *added = added_tokens_find(&tokenizer->added, text, length);
    return added ? added->id : vocabulary_find(&tokenizer->vocabulary, text, length);
}

bool tokenizer_can_decode(const struct tokenizer *tokenizer, struct error *err)
{
    const char *type = tokenizer->decoder.unsupported;
    return !type ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%s: \"%.60s\" as it stands there is not supported; WordPiece, ByteLevel, Metaspace, "
                     "BPEDecoder, ByteFallback, Fuse, Strip, Replace and a Sequence of up to %d are",
                     WHERE, type, DECODER_MAX_STEPS);
}

static bool is_special(const struct tokenizer *tokenizer, struct token_text text)
{
    const struct added_token *token = added_tokens_find(&tokenizer->added, text.text, text.length);
    return token && token->special;
}

bool tokenizer_join(const struct tokenizer *tokenizer, const struct token_text tokens[], size_t count,
                    struct arena *arena, const char **out, size_t *length, struct error *err)
{
    struct text_buffer text = {.arena = arena};
    if (!tokenizer_can_decode(tokenizer, err))
        return false;
    if (!decoder_apply(&tokenizer->decoder, tokens, count, &text) || !text_append(&text, "", 1))
        return error_set(err, ERR_NO_MEMORY, "no memory for the text of %zu tokens", count);
    *out = text.bytes;
    *length = text.length - 1;
    return true;
}

bool tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special,
                      struct arena *arena, const char **out, size_t *length, struct error *err)
{
    struct token_text *tokens = arena_alloc(arena, count * sizeof *tokens);
    struct text_buffer text = {.arena = arena};
    size_t kept = 0;
    if (!tokenizer_can_decode(tokenizer, err))
        return false;
    for (size_t i = 0; tokens && i < count; i++) {
        const struct token_text added = added_tokens_text(&tokenizer->added, ids[i]);
        const struct token_text token = added.text ? added : tokenizer_token(tokenizer, ids[i]);
        if (token.text && !(skip_special && is_special(tokenizer, token)))
            tokens[kept++] = token;
    }
    if (!tokens || !decoder_apply(&tokenizer->decoder, tokens, kept, &text) || !text_reserve(&text, 1))
        return error_set(err, ERR_NO_MEMORY, "no memory for the text of %zu tokens", count);
    if (tokenizer->cleans_up && tokenizer->kind != MODEL_BPE)
        decoder_clean_up(text.bytes, &text.length);
    text.bytes[text.length] = '\0';
    *out = text.bytes;
    *length = text.length;
    return true;
}

int32_t tokenizer_special_id(const struct tokenizer *tokenizer, enum special_id special)
{
    return tokenizer->special_ids[special];
}

bool tokenizer_has_prefix(const struct tokenizer *tokenizer)
{
    return (tokenizer->kind == MODEL_WORDPIECE && tokenizer->wordpiece.prefix_length > 0) ||
           (tokenizer->kind == MODEL_BPE && tokenizer->bpe.prefix_length > 0);
}
