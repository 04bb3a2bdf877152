#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

static const char FILE_NAME[] = "vocab.txt";

/* BERT's own, which BertTokenizer has no setting for. */
static const char PREFIX[] = "##";
enum { MAX_CHARACTERS = 100 };

static size_t count_lines(const char *text, const char *end)
{
    size_t lines = 1;
    for (; text < end; text++)
        lines += *text == '\n';
    return lines;
}

/* The length of text[0..length) without the white space at its end. */
static size_t trim_end(const char *text, size_t length)
{
    const char *end = text + length;
    while (end > text) {
        uint32_t point = utf8_decode_last(text, end);
        if (!(unicode_properties(point) & UNICODE_WHITESPACE))
            break;
        char bytes[4];
        end -= utf8_encode(bytes, point) - bytes;
    }
    return (size_t)(end - text);
}

/* One token a line, its id the line's number from 0; of a token that stands there twice the last line
 * counts. */
static bool read_lines(struct tokenizer *tokenizer, struct blob vocab, struct error *err)
{
    const char *at = (const char *)vocab.bytes, *end = at + vocab.size;
    size_t lines = count_lines(at, end);
    if (lines > VOCABULARY_MAX_ID)
        return error_set(err, ERR_BAD_MODEL, "%s has %zu lines; the limit is %d", FILE_NAME, lines,
                         VOCABULARY_MAX_ID);
    if (!vocabulary_init(&tokenizer->vocabulary, lines, &tokenizer->arena))
        return tokenizer_no_memory(err);
    for (int32_t id = 0; at < end; id++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        if (!utf8_valid(at, (size_t)(line_end - at)))
            return error_set(err, ERR_BAD_MODEL, "%s: line %d is not UTF-8", FILE_NAME, id + 1);
        if (!vocabulary_add(&tokenizer->vocabulary, at, trim_end(at, (size_t)(line_end - at)), id))
            return tokenizer_no_memory(err);
        at = newline ? newline + 1 : end;
    }
    return true;
}

static bool read_wordpiece(struct tokenizer *tokenizer, struct blob vocab,
                           const struct tokenizer_config *config, struct error *err)
{
    const char *unknown = config->named[SPECIAL_UNK];
    if (!unknown)
        return error_set(err, ERR_BAD_MODEL, "tokenizer_config.json: \"unk_token\" must not be null");
    return tokenizer_check_size(vocab, FILE_NAME, err) && read_lines(tokenizer, vocab, err) &&
           tokenizer_set_wordpiece(tokenizer, unknown, PREFIX, strlen(PREFIX), MAX_CHARACTERS, err);
}

static bool read_bpe(struct tokenizer *tokenizer, const struct tokenizer_files *files, struct arena *scratch,
                     struct error *err)
{
    yyjson_val *vocab = tokenizer_parse(files->vocab_json, "vocab.json", scratch, err);
    return vocab && tokenizer_check_size(files->merges, "merges.txt", err) &&
           tokenizer_read_merges(tokenizer, vocab, files->merges, err);
}

bool tokenizer_build_vocab(struct tokenizer *tokenizer, const struct tokenizer_files *files,
                           struct arena *scratch, struct error *err)
{
    struct tokenizer_config settings;
    const struct added_list none = {NULL, 0};
    if (!tokenizer_config_read(files->config, files->model_config, scratch, &settings, err))
        return false;
    const enum tokenizer_class_id id = settings.class->id;
    const bool is_wordpiece = id == CLASS_BERT || id == CLASS_MPNET;
    const bool is_bpe = id == CLASS_ROBERTA || id == CLASS_DEBERTA;
    if (is_wordpiece ? !files->vocab.bytes : !is_bpe || !files->vocab_json.bytes || !files->merges.bytes)
        return error_set(err, ERR_UNSUPPORTED_MODEL, "a tokenizer of class %s needs %s", settings.class->name,
                         is_wordpiece ? "tokenizer.json or vocab.txt"
                         : is_bpe     ? "tokenizer.json, or vocab.json and merges.txt"
                                      : "tokenizer.json");
    if (!tokenizer_rebuild_parts(tokenizer, &settings, NULL, scratch, err))
        return false;
    bool read = is_wordpiece ? read_wordpiece(tokenizer, files->vocab, &settings, err)
                             : read_bpe(tokenizer, files, scratch, err);
    return read && tokenizer_rebuild_finish(tokenizer, &settings, &none, NULL, err);
}
