/* The "model" of a tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

static const char WHERE[] = "tokenizer.json: model";

/* What a rebuilt BertTokenizer uses whatever the file says. */
static const char BERT_PREFIX[] = "##";
enum { BERT_MAX_CHARACTERS = 100 };

static bool start_vocabulary(struct tokenizer *tokenizer, size_t count, struct error *err)
{
    if (count > VOCABULARY_MAX_ID)
        return error_set(err, ERR_BAD_MODEL, "%s: the vocabulary has %zu tokens; the limit is %d", WHERE,
                         count, VOCABULARY_MAX_ID);
    return vocabulary_init(&tokenizer->vocabulary, count, &tokenizer->arena) || tokenizer_no_memory(err);
}

/* {"token": id, ...} */
static bool read_vocabulary(yyjson_val *vocab, struct tokenizer *tokenizer, struct error *err)
{
    yyjson_val *key, *value;
    if (!yyjson_is_obj(vocab))
        return error_set(err, ERR_BAD_MODEL, "%s: \"vocab\" is %s; it must be an object of ids", WHERE,
                         json_type_words(vocab));
    if (!start_vocabulary(tokenizer, yyjson_obj_size(vocab), err))
        return false;
    size_t index, max;
    yyjson_obj_foreach (vocab, index, max, key, value) {
        int32_t id;
        if (!tokenizer_read_id(value, "model: vocab", yyjson_get_str(key), &id, err))
            return false;
        if (!vocabulary_add(&tokenizer->vocabulary, yyjson_get_str(key), yyjson_get_len(key), id))
            return tokenizer_no_memory(err);
    }
    return true;
}

static bool read_wordpiece(yyjson_val *model, const struct tokenizer_config *config,
                           struct tokenizer *tokenizer, struct error *err)
{
    yyjson_val *max_characters = yyjson_obj_get(model, "max_input_chars_per_word");
    const char *unknown, *prefix;
    size_t unknown_length, prefix_length;
    if (!tokenizer_need_string(model, "unk_token", &unknown, &unknown_length, WHERE, err) ||
        !tokenizer_need_string(model, "continuing_subword_prefix", &prefix, &prefix_length, WHERE, err))
        return false;
    if (!yyjson_is_uint(max_characters))
        return error_set(err, ERR_BAD_MODEL,
                         "%s: \"max_input_chars_per_word\" must be a whole number, 0 or more", WHERE);
    if (!read_vocabulary(yyjson_obj_get(model, "vocab"), tokenizer, err))
        return false;
    if (config->class->id == CLASS_FILE)
        return tokenizer_set_wordpiece(tokenizer, unknown, prefix, prefix_length,
                                       yyjson_get_uint(max_characters), err);
    if (!config->named[SPECIAL_UNK])
        return error_set(err, ERR_BAD_MODEL, "tokenizer_config.json: \"unk_token\" must not be null");
    return tokenizer_set_wordpiece(tokenizer, config->named[SPECIAL_UNK], BERT_PREFIX, strlen(BERT_PREFIX),
                                   BERT_MAX_CHARACTERS, err);
}

static bool read_wordlevel(yyjson_val *model, struct tokenizer *tokenizer, struct error *err)
{
    const char *unknown;
    size_t length;
    tokenizer->kind = MODEL_WORDLEVEL;
    return tokenizer_need_string(model, "unk_token", &unknown, &length, WHERE, err) &&
           read_vocabulary(yyjson_obj_get(model, "vocab"), tokenizer, err) &&
           tokenizer_finish_vocabulary(tokenizer, err) &&
           tokenizer_find_unknown(tokenizer, unknown, &tokenizer->unknown_id, err);
}

/* An optional string: NULL and 0 where it is absent, null or empty. */
static bool read_affix(yyjson_val *model, const char *key, struct arena *arena, const char **out,
                       size_t *length, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(model, key);
    *out = "";
    *length = 0;
    if (!value || yyjson_is_null(value))
        return true;
    if (!tokenizer_need_string(model, key, out, length, WHERE, err))
        return false;
    if (*length > BPE_MAX_AFFIX)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s: \"%s\" has %zu bytes; at most %d are supported",
                         WHERE, key, *length, BPE_MAX_AFFIX);
    *out = arena_strndup(arena, *out, *length);
    return *out || tokenizer_no_memory(err);
}

static bool read_bpe_options(yyjson_val *model, struct tokenizer *tokenizer, struct error *err)
{
    struct bpe *bpe = &tokenizer->bpe;
    yyjson_val *dropout = yyjson_obj_get(model, "dropout"), *unknown = yyjson_obj_get(model, "unk_token");
    if (dropout && !yyjson_is_null(dropout) && !(yyjson_is_num(dropout) && yyjson_get_num(dropout) == 0))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: a BPE \"dropout\" makes tokens random and is not supported; it must be null",
                         WHERE);
    if (!json_read_bool(model, "fuse_unk", &bpe->fuse_unknown, WHERE, err) ||
        !json_read_bool(model, "byte_fallback", &bpe->byte_fallback, WHERE, err) ||
        !json_read_bool(model, "ignore_merges", &bpe->ignore_merges, WHERE, err) ||
        !read_affix(model, "continuing_subword_prefix", &tokenizer->arena, &bpe->prefix, &bpe->prefix_length,
                    err) ||
        !read_affix(model, "end_of_word_suffix", &tokenizer->arena, &bpe->suffix, &bpe->suffix_length, err))
        return false;
    if (bpe->byte_level && bpe->prefix_length + bpe->suffix_length > 0)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: a prefix or suffix of subwords is not supported where the pre_tokenizer is "
                         "ByteLevel",
                         WHERE);
    bpe->unknown_id = -1;
    if (!unknown || yyjson_is_null(unknown))
        return true;
    if (!yyjson_is_str(unknown))
        return error_set(err, ERR_BAD_MODEL, "%s: \"unk_token\" must be a string or null", WHERE);
    return tokenizer_find_unknown(tokenizer, yyjson_get_str(unknown), &bpe->unknown_id, err);
}

static bool is_version(const char *line, size_t length)
{
    static const char version[] = "#version";
    return length >= sizeof version - 1 && memcmp(line, version, sizeof version - 1) == 0;
}

/* Splits "a b" into its two tokens. */
static bool read_pair(const char *text, size_t length, const char *parts[2], size_t lengths[2])
{
    const char *space = length ? memchr(text, ' ', length) : NULL;
    if (!space)
        return false;
    parts[0] = text;
    lengths[0] = (size_t)(space - text);
    parts[1] = space + 1;
    lengths[1] = length - lengths[0] - 1;
    return !memchr(parts[1], ' ', lengths[1]);
}

static bool read_array_pair(yyjson_val *item, const char *parts[2], size_t lengths[2])
{
    for (size_t i = 0; i < 2; i++) {
        parts[i] = yyjson_get_str(yyjson_arr_get(item, i));
        lengths[i] = yyjson_get_len(yyjson_arr_get(item, i));
    }
    return yyjson_arr_size(item) == 2 && parts[0] && parts[1];
}

static bool add_merge(struct tokenizer *tokenizer, const char *parts[2], const size_t lengths[2],
                      uint32_t rank, struct text_buffer *joined, struct error *err)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    struct bpe *bpe = &tokenizer->bpe;
    int32_t left = vocabulary_find(vocabulary, parts[0], lengths[0]);
    int32_t right = vocabulary_find(vocabulary, parts[1], lengths[1]);
    size_t skipped = lengths[1] < bpe->prefix_length ? lengths[1] : bpe->prefix_length;
    joined->length = 0;
    if (!text_append(joined, parts[0], lengths[0]) ||
        !text_append(joined, parts[1] + skipped, lengths[1] - skipped))
        return tokenizer_no_memory(err);
    int32_t id = vocabulary_find(vocabulary, joined->bytes, joined->length);
    if (left < 0 || right < 0 || id < 0)
        return error_set(err, ERR_BAD_MODEL, "merge %u of \"%.*s\" and \"%.*s\": %s is not in the vocabulary",
                         rank, (int)(lengths[0] < 60 ? lengths[0] : 60), parts[0],
                         (int)(lengths[1] < 60 ? lengths[1] : 60), parts[1],
                         left < 0    ? "the first"
                         : right < 0 ? "the second"
                                     : "what they become");
    bpe_add_merge(bpe, left, right, rank, id);
    return true;
}

static bool read_merge_list(yyjson_val *model, struct tokenizer *tokenizer, struct text_buffer *joined,
                            struct error *err)
{
    yyjson_val *merges = tokenizer_need_list(model, "merges", WHERE, err), *item;
    uint32_t rank = 0;
    size_t index, max;
    if (!merges)
        return false;
    if (!bpe_init_merges(&tokenizer->bpe, yyjson_arr_size(merges), &tokenizer->arena))
        return tokenizer_no_memory(err);
    yyjson_arr_foreach (merges, index, max, item) {
        const char *parts[2];
        size_t lengths[2];
        if (yyjson_is_str(item) && is_version(yyjson_get_str(item), yyjson_get_len(item)))
            continue;
        bool is_pair = yyjson_is_arr(item)
                           ? read_array_pair(item, parts, lengths)
                           : read_pair(yyjson_get_str(item), yyjson_get_len(item), parts, lengths);
        if (!is_pair)
            return error_set(err, ERR_BAD_MODEL,
                             "%s: merge %zu must be two tokens: \"a b\" or [\"a\", \"b\"]", WHERE, index);
        if (!add_merge(tokenizer, parts, lengths, rank++, joined, err))
            return false;
    }
    return true;
}

static bool read_merge_lines(struct tokenizer *tokenizer, struct blob merges, struct text_buffer *joined,
                             struct error *err)
{
    const char *at = (const char *)merges.bytes, *end = at + merges.size;
    size_t lines = 1, number = 0;
    uint32_t rank = 0;
    for (size_t i = 0; i < merges.size; i++)
        lines += merges.bytes[i] == '\n';
    if (!bpe_init_merges(&tokenizer->bpe, lines, &tokenizer->arena))
        return tokenizer_no_memory(err);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *parts[2];
        const char *stop = newline ? newline : end;
        size_t lengths[2], length = (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
        number++;
        if (!is_version(at, length)) {
            if (!read_pair(at, length, parts, lengths))
                return error_set(err, ERR_BAD_MODEL,
                                 "merges.txt: line %zu must be two tokens with a space between", number);
            if (!add_merge(tokenizer, parts, lengths, rank++, joined, err))
                return false;
        }
        at = newline ? newline + 1 : end;
    }
    return true;
}

/* Of a class that transformers builds anew. */
static void set_plain_bpe(struct bpe *bpe)
{
    bpe->unknown_id = -1;
    bpe->prefix = bpe->suffix = "";
}

static bool read_bpe(yyjson_val *model, const struct tokenizer_config *config, struct tokenizer *tokenizer,
                     struct error *err)
{
    struct arena scratch;
    struct text_buffer joined = {.arena = &scratch};
    tokenizer->kind = MODEL_BPE;
    tokenizer->bpe.vocabulary = &tokenizer->vocabulary;
    if (!read_vocabulary(yyjson_obj_get(model, "vocab"), tokenizer, err) ||
        !tokenizer_finish_vocabulary(tokenizer, err))
        return false;
    if (config->class->id != CLASS_FILE)
        set_plain_bpe(&tokenizer->bpe);
    else if (!read_bpe_options(model, tokenizer, err))
        return false;
    arena_init(&scratch, 0, SIZE_MAX);
    bool read = read_merge_list(model, tokenizer, &joined, err);
    arena_free(&scratch);
    return read && (bpe_finish(&tokenizer->bpe, &tokenizer->arena) || tokenizer_no_memory(err));
}

bool tokenizer_read_merges(struct tokenizer *tokenizer, yyjson_val *vocab, struct blob merges,
                           struct error *err)
{
    struct arena scratch;
    struct text_buffer joined = {.arena = &scratch};
    tokenizer->kind = MODEL_BPE;
    tokenizer->bpe.vocabulary = &tokenizer->vocabulary;
    tokenizer->bpe.byte_level = true;
    if (!read_vocabulary(vocab, tokenizer, err) || !tokenizer_finish_vocabulary(tokenizer, err))
        return false;
    set_plain_bpe(&tokenizer->bpe);
    arena_init(&scratch, 0, SIZE_MAX);
    bool read = read_merge_lines(tokenizer, merges, &joined, err);
    arena_free(&scratch);
    return read && (bpe_finish(&tokenizer->bpe, &tokenizer->arena) || tokenizer_no_memory(err));
}

/* [["token", score], ...]: the place in the list is the id, and of a token that stands there twice the later
 * one counts. */
static bool read_pieces(yyjson_val *vocab, struct tokenizer *tokenizer, double *scores, struct error *err)
{
    yyjson_val *item;
    size_t index, max;
    yyjson_arr_foreach (vocab, index, max, item) {
        yyjson_val *text = yyjson_arr_get(item, 0), *score = yyjson_arr_get(item, 1);
        if (yyjson_arr_size(item) != 2 || !yyjson_is_str(text) || !yyjson_is_num(score))
            return error_set(err, ERR_BAD_MODEL, "%s: vocab: entry %zu must be a token and its score", WHERE,
                             index);
        if (vocabulary_find(&tokenizer->vocabulary, yyjson_get_str(text), yyjson_get_len(text)) >= 0)
            return error_set(
                err, ERR_UNSUPPORTED_MODEL,
                "%s: vocab: the token \"%.60s\" stands there twice, the second time as entry %zu", WHERE,
                yyjson_get_str(text), index);
        scores[index] = yyjson_get_num(score);
        if (!vocabulary_add(&tokenizer->vocabulary, yyjson_get_str(text), yyjson_get_len(text),
                            (int32_t)index))
            return tokenizer_no_memory(err);
    }
    return true;
}

static bool read_unknown_id(yyjson_val *model, size_t count, int32_t *out, struct error *err)
{
    yyjson_val *unknown = yyjson_obj_get(model, "unk_id");
    if (!unknown || yyjson_is_null(unknown))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: a Unigram model without \"unk_id\" is not supported", WHERE);
    if (!yyjson_is_uint(unknown) || yyjson_get_uint(unknown) >= count)
        return error_set(err, ERR_BAD_MODEL, "%s: \"unk_id\" must be the id of one of the %zu tokens", WHERE,
                         count);
    *out = (int32_t)yyjson_get_uint(unknown);
    return true;
}

/* Where each class of transformers has its unknown token, whatever the file says. */
static bool rebuilt_unknown_id(const struct tokenizer *tokenizer, const struct tokenizer_config *config,
                               const double *scores, int32_t *out, struct error *err)
{
    const enum tokenizer_class_id class = config->class->id;
    const char *text = config->named[SPECIAL_UNK];
    int32_t found = text ? vocabulary_find(&tokenizer->vocabulary, text, strlen(text)) : -1;
    size_t id = class == CLASS_XLM_ROBERTA ? 3 : class == CLASS_ALBERT ? 1 : 0;
    if (class == CLASS_CAMEMBERT && found >= 0)
        id = (size_t)found;
    if (class == CLASS_DEBERTA_V2)
        id = found >= 0 && scores[found] == 0 ? (size_t)found : config->unknown_id;
    if (id >= tokenizer->vocabulary.count)
        return error_set(err, ERR_BAD_MODEL, "%s: a %s has its unknown token at id %zu; there are %zu tokens",
                         WHERE, config->class->name, id, tokenizer->vocabulary.count);
    *out = (int32_t)id;
    return true;
}

static bool read_unigram(yyjson_val *model, const struct tokenizer_config *config,
                         struct tokenizer *tokenizer, struct error *err)
{
    struct unigram *unigram = &tokenizer->unigram;
    yyjson_val *vocab = yyjson_obj_get(model, "vocab");
    size_t count = yyjson_arr_size(vocab);
    tokenizer->kind = MODEL_UNIGRAM;
    if (!yyjson_is_arr(vocab))
        return error_set(err, ERR_BAD_MODEL, "%s: \"vocab\" is %s; it must be a list of tokens and scores",
                         WHERE, vocab ? json_type_words(vocab) : "missing");
    if (!start_vocabulary(tokenizer, count, err))
        return false;
    double *scores = arena_calloc(&tokenizer->arena, count, sizeof *scores);
    if (!scores)
        return tokenizer_no_memory(err);
    if (!read_pieces(vocab, tokenizer, scores, err) || !tokenizer_finish_vocabulary(tokenizer, err))
        return false;
    if (config->class->id == CLASS_FILE) {
        if (!read_unknown_id(model, count, &unigram->unknown_id, err) ||
            !json_read_bool(model, "byte_fallback", &unigram->byte_fallback, WHERE, err))
            return false;
    } else if (!rebuilt_unknown_id(tokenizer, config, scores, &unigram->unknown_id, err)) {
        return false;
    }
    unigram->vocabulary = &tokenizer->vocabulary;
    unigram->scores = scores;
    return unigram_finish(unigram, &tokenizer->arena) || tokenizer_no_memory(err);
}

/* Files of the first versions have no type. */
static const char *model_type(yyjson_val *model, struct error *err)
{
    if (!yyjson_is_obj(model) || yyjson_obj_get(model, "type"))
        return tokenizer_part_type(model, "model", err);
    return yyjson_obj_get(model, "max_input_chars_per_word") ? "WordPiece"
           : yyjson_obj_get(model, "merges")                 ? "BPE"
           : yyjson_is_arr(yyjson_obj_get(model, "vocab"))   ? "Unigram"
                                                             : "WordLevel";
}

static const char *class_model(enum tokenizer_class_id id)
{
    switch (id) {
    case CLASS_FILE:
        return NULL;
    case CLASS_BERT:
    case CLASS_MPNET:
        return "WordPiece";
    case CLASS_ROBERTA:
    case CLASS_DEBERTA:
        return "BPE";
    default:
        return "Unigram";
    }
}

bool tokenizer_read_model(struct tokenizer *tokenizer, yyjson_val *root,
                          const struct tokenizer_config *config, struct error *err)
{
    yyjson_val *model = yyjson_obj_get(root, "model");
    const struct pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    const char *type = model_type(model, err);
    bool byte_level =
        pretokenizer->count && pretokenizer->stages[pretokenizer->count - 1].kind == STAGE_BYTE_LEVEL;
    if (!type)
        return false;
    const char *wanted = class_model(config->class->id);
    if (wanted && strcmp(type, wanted) != 0)
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "%s: a model of type \"%.60s\" is not supported for the class %s, which has a %s model", WHERE,
            type, config->class->name, wanted);
    if (byte_level && strcmp(type, "BPE") != 0)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s: the pre_tokenizer ByteLevel is supported with a BPE model, not with \"%.60s\"",
                         WHERE, type);
    tokenizer->bpe.byte_level = byte_level;
    if (strcmp(type, "WordPiece") == 0)
        return read_wordpiece(model, config, tokenizer, err);
    if (strcmp(type, "BPE") == 0)
        return read_bpe(model, config, tokenizer, err);
    if (strcmp(type, "Unigram") == 0)
        return read_unigram(model, config, tokenizer, err);
    if (strcmp(type, "WordLevel") == 0)
        return read_wordlevel(model, tokenizer, err);
    return tokenizer_refuse_type("model", type, "WordPiece, BPE, Unigram and WordLevel", err);
}
