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
    if (!vocabulary_init(&tokenizer->model.vocabulary, lines, &tokenizer->arena))
        return tokenizer_no_memory(err);
    for (int32_t id = 0; at < end; id++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        if (!utf8_valid(at, (size_t)(line_end - at)))
            return error_set(err, ERR_BAD_MODEL, "%s: line %d is not UTF-8", FILE_NAME, id + 1);
        if (!vocabulary_add(&tokenizer->model.vocabulary, at, trim_end(at, (size_t)(line_end - at)), id))
            return tokenizer_no_memory(err);
        at = newline ? newline + 1 : end;
    }
    return true;
}

static bool build(struct tokenizer *tokenizer, struct blob vocab, struct blob config, struct arena *scratch,
                  struct error *err)
{
    struct tokenizer_config settings;
    const struct added_list none = {NULL, 0};
    if (!tokenizer_check_size(vocab, FILE_NAME, err) ||
        !tokenizer_config_read(config, scratch, &settings, err))
        return false;
    if (!settings.rebuilds_bert)
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "tokenizer_config.json names no BertTokenizer: a vocab.txt needs one, or a tokenizer.json");
    if (!settings.unknown)
        return error_set(err, ERR_BAD_MODEL, "tokenizer_config.json: \"unk_token\" must not be null");
    if (!read_lines(tokenizer, vocab, err) ||
        !tokenizer_set_model(tokenizer, settings.unknown, PREFIX, strlen(PREFIX), MAX_CHARACTERS, err))
        return false;
    return tokenizer_finish_bert(tokenizer, &settings, &none, err);
}

struct tokenizer *tokenizer_open_vocab(struct blob vocab, struct blob config, struct error *err)
{
    struct tokenizer *tokenizer = tokenizer_new(err);
    if (!tokenizer)
        return NULL;
    struct arena scratch;
    arena_init(&scratch, 0, SIZE_MAX);
    bool built = build(tokenizer, vocab, config, &scratch, err);
    arena_free(&scratch);
    if (built)
        return tokenizer;
    tokenizer_close(tokenizer);
    return NULL;
}
