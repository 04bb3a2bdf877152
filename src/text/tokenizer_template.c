/* The "post_processor" of a tokenizer.json. */
#include <string.h>

#include "text/tokenizer_parts.h"

static const char WHERE[] = "tokenizer.json: post_processor";

/* A published template has at most 5 pieces. */
enum { MAX_PIECES = 64 };

struct draft {
    struct piece pieces[MAX_PIECES];
    size_t count;
};

static bool add_piece(struct draft *draft, enum piece_kind kind, int32_t id, uint8_t type_id,
                      struct error *err)
{
    if (draft->count == MAX_PIECES)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "tokenizer.json: post_processor: a template of more than %d pieces is not supported",
                         MAX_PIECES);
    draft->pieces[draft->count++] = (struct piece){kind, id, type_id};
    return true;
}

static bool set_template(struct tokenizer *tokenizer, const struct draft *draft, struct template *out,
                         struct error *err)
{
    size_t size = draft->count * sizeof *draft->pieces;
    *out = (struct template){.pieces = arena_alloc(&tokenizer->arena, size), .count = draft->count};
    if (!out->pieces)
        return tokenizer_no_memory(err);
    memcpy(out->pieces, draft->pieces, size);
    for (size_t i = 0; i < draft->count; i++)
        out->special_count += draft->pieces[i].kind == PIECE_TOKEN;
    return true;
}

bool tokenizer_set_bert_template(struct tokenizer *tokenizer, int32_t cls_id, int32_t sep_id,
                                 struct error *err)
{
    struct draft draft = {
        {{PIECE_TOKEN, cls_id, 0},
         {PIECE_FIRST, 0, 0},
         {PIECE_TOKEN, sep_id, 0},
         {PIECE_SECOND, 0, 1},
         {PIECE_TOKEN, sep_id, 1}},
        5,
    };
    if (!set_template(tokenizer, &draft, &tokenizer->postprocessor.pair, err))
        return false;
    draft.count = 3;
    return set_template(tokenizer, &draft, &tokenizer->postprocessor.single, err);
}

static bool read_type_id(yyjson_val *part, uint8_t *out, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(part, "type_id");
    if (!yyjson_is_uint(value))
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer.json: post_processor: a piece's \"type_id\" must be a whole number");
    if (yyjson_get_uint(value) > UINT8_MAX)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "tokenizer.json: post_processor: the type_id %llu is not supported; 0..%d are",
                         (unsigned long long)yyjson_get_uint(value), UINT8_MAX);
    *out = (uint8_t)yyjson_get_uint(value);
    return true;
}

/* {"id": "A", "type_id": 0} */
static bool read_sequence(yyjson_val *part, bool is_pair, struct draft *draft, struct error *err)
{
    yyjson_val *id = yyjson_obj_get(part, "id");
    bool second = yyjson_equals_str(id, "B");
    uint8_t type_id;
    if (!second && !yyjson_equals_str(id, "A"))
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer.json: post_processor: a Sequence's \"id\" must be \"A\" or \"B\"");
    if (second && !is_pair)
        return error_set(
            err, ERR_BAD_MODEL,
            "tokenizer.json: post_processor: \"single\" uses the sequence B, which only \"pair\" has");
    return read_type_id(part, &type_id, err) &&
           add_piece(draft, second ? PIECE_SECOND : PIECE_FIRST, 0, type_id, err);
}

/* {"id": "[CLS]", "type_id": 0}: one piece for each of the ids that special_tokens gives it. */
static bool read_special(yyjson_val *part, yyjson_val *specials, struct draft *draft, struct error *err)
{
    yyjson_val *name = yyjson_obj_get(part, "id"), *value;
    if (!yyjson_is_str(name))
        return error_set(err, ERR_BAD_MODEL, "tokenizer.json: post_processor: a SpecialToken has no \"id\"");
    yyjson_val *ids =
        yyjson_obj_get(yyjson_obj_getn(specials, yyjson_get_str(name), yyjson_get_len(name)), "ids");
    if (!yyjson_is_arr(ids))
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer.json: post_processor: \"special_tokens\" has no ids for \"%.60s\"",
                         yyjson_get_str(name));
    uint8_t type_id;
    if (!read_type_id(part, &type_id, err))
        return false;
    size_t index, max;
    yyjson_arr_foreach (ids, index, max, value) {
        int32_t id;
        if (!tokenizer_read_id(value, "post_processor", yyjson_get_str(name), &id, err) ||
            !add_piece(draft, PIECE_TOKEN, id, type_id, err))
            return false;
    }
    return true;
}

static bool read_template(struct tokenizer *tokenizer, yyjson_val *processor, const char *key,
                          struct template *out, struct error *err)
{
    yyjson_val *list = tokenizer_need_list(processor, key, WHERE, err),
               *specials = yyjson_obj_get(processor, "special_tokens"), *item;
    struct draft draft = {.count = 0};
    bool is_pair = strcmp(key, "pair") == 0;
    if (!list)
        return false;
    size_t index, max;
    yyjson_arr_foreach (list, index, max, item) {
        yyjson_val *sequence = yyjson_obj_get(item, "Sequence"),
                   *special = yyjson_obj_get(item, "SpecialToken");
        if (sequence ? !read_sequence(sequence, is_pair, &draft, err)
                     : special && !read_special(special, specials, &draft, err))
            return false;
        if (!sequence && !special)
            return error_set(err, ERR_BAD_MODEL,
                             "tokenizer.json: post_processor: a piece must be a Sequence or a SpecialToken");
    }
    return set_template(tokenizer, &draft, out, err);
}

/* "cls": ["[CLS]", 101] */
static bool read_bert_token(yyjson_val *processor, const char *key, int32_t *id, struct error *err)
{
    yyjson_val *pair = yyjson_obj_get(processor, key);
    if (yyjson_arr_size(pair) != 2 || !yyjson_is_str(yyjson_arr_get(pair, 0)))
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer.json: post_processor: \"%s\" must be a token and its id", key);
    return tokenizer_read_id(yyjson_arr_get(pair, 1), "post_processor", key, id, err);
}

/* No special tokens: A, or A B with the types 0 and 1. */
static bool set_plain_template(struct tokenizer *tokenizer, struct error *err)
{
    struct draft draft = {{{PIECE_FIRST, 0, 0}, {PIECE_SECOND, 0, 1}}, 2};
    if (!set_template(tokenizer, &draft, &tokenizer->postprocessor.pair, err))
        return false;
    draft.count = 1;
    return set_template(tokenizer, &draft, &tokenizer->postprocessor.single, err);
}

bool tokenizer_set_roberta_template(struct tokenizer *tokenizer, int32_t cls_id, int32_t sep_id,
                                    struct error *err)
{
    struct draft draft = {
        {{PIECE_TOKEN, cls_id, 0},
         {PIECE_FIRST, 0, 0},
         {PIECE_TOKEN, sep_id, 0},
         {PIECE_TOKEN, sep_id, 0},
         {PIECE_SECOND, 0, 0},
         {PIECE_TOKEN, sep_id, 0}},
        6,
    };
    if (!set_template(tokenizer, &draft, &tokenizer->postprocessor.pair, err))
        return false;
    draft.count = 3;
    return set_template(tokenizer, &draft, &tokenizer->postprocessor.single, err);
}

static bool read_processor(struct tokenizer *tokenizer, yyjson_val *processor, bool *adds, struct error *err);

static bool read_processors(struct tokenizer *tokenizer, yyjson_val *processor, bool *adds, struct error *err)
{
    yyjson_val *list = tokenizer_need_list(processor, "processors", WHERE, err), *item;
    size_t index, max;
    yyjson_arr_foreach (list, index, max, item) {
        if (!read_processor(tokenizer, item, adds, err))
            return false;
    }
    return list != NULL;
}

/* What a processor of a byte level does to places; each trims what those before it left. */
static bool read_trimming(struct tokenizer *tokenizer, yyjson_val *processor, struct error *err)
{
    struct postprocessor *out = &tokenizer->postprocessor;
    bool trims = true, prefix = true;
    if (!json_read_bool(processor, "trim_offsets", &trims, WHERE, err) ||
        !json_read_bool(processor, "add_prefix_space", &prefix, WHERE, err))
        return false;
    if (trims) {
        out->trims = true;
        out->keeps_prefix = prefix;
    }
    return true;
}

/* *adds: whether one of the processors before it adds tokens, on return whether one has. */
static bool read_processor(struct tokenizer *tokenizer, yyjson_val *processor, bool *adds, struct error *err)
{
    const char *type = tokenizer_part_type(processor, "post_processor", err);
    int32_t cls_id, sep_id;
    if (!type)
        return false;
    if (strcmp(type, "ByteLevel") == 0)
        return read_trimming(tokenizer, processor, err);
    if (strcmp(type, "Sequence") == 0)
        return read_processors(tokenizer, processor, adds, err);
    bool is_bert = strcmp(type, "BertProcessing") == 0, is_roberta = strcmp(type, "RobertaProcessing") == 0;
    if (!is_bert && !is_roberta && strcmp(type, "TemplateProcessing") != 0)
        return tokenizer_refuse_type(
            "post_processor", type,
            "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and Sequence", err);
    if (*adds)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "tokenizer.json: post_processor: two processors that add tokens are not supported");
    *adds = true;
    if (!is_bert && !is_roberta)
        return read_template(tokenizer, processor, "single", &tokenizer->postprocessor.single, err) &&
               read_template(tokenizer, processor, "pair", &tokenizer->postprocessor.pair, err);
    return (is_bert || read_trimming(tokenizer, processor, err)) &&
           read_bert_token(processor, "cls", &cls_id, err) &&
           read_bert_token(processor, "sep", &sep_id, err) &&
           (is_bert ? tokenizer_set_bert_template(tokenizer, cls_id, sep_id, err)
                    : tokenizer_set_roberta_template(tokenizer, cls_id, sep_id, err));
}

bool tokenizer_read_template(struct tokenizer *tokenizer, yyjson_val *root, struct error *err)
{
    yyjson_val *processor = yyjson_obj_get(root, "post_processor");
    bool adds = false;
    tokenizer->postprocessor.trims = false;
    if (!set_plain_template(tokenizer, err))
        return false;
    return !processor || yyjson_is_null(processor) || read_processor(tokenizer, processor, &adds, err);
}
