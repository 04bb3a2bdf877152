/* The way of one text: added tokens, normalizer, normalized added tokens, words, WordPiece, template. */
#include "text/tokenizer.h"

#include "text/pretokenizer.h"
#include "text/tokenizer_parts.h"

/* One encode: its buffers are used again for each sequence and each stretch of plain text. */
struct work {
    const struct tokenizer *tokenizer;
    struct arena *arena;
    char *normalized; /* normalizer_bound() bytes of the longer text */
    int32_t *ids;     /* [count] of capacity; the arena's newest piece, so that it grows in place */
    size_t count, capacity;
};

/* About a token for every four bytes is what ordinary text has. */
static bool reserve(struct work *work, size_t more)
{
    if (more <= work->capacity - work->count)
        return true;
    size_t capacity = work->capacity + work->capacity / 2 + more;
    int32_t *ids = arena_grow(work->arena, work->ids, work->capacity * sizeof *ids, capacity * sizeof *ids);
    if (!ids)
        return false;
    work->ids = ids;
    work->capacity = capacity;
    return true;
}

static bool add_id(struct work *work, int32_t id)
{
    if (!reserve(work, 1))
        return false;
    work->ids[work->count++] = id;
    return true;
}

static bool encode_words(struct work *work, const char *text, size_t length)
{
    const struct wordpiece *model = &work->tokenizer->model;
    const char *at = text, *end = text + length, *word;
    while (pretokenizer_next(&at, end, &word)) {
        size_t word_length = (size_t)(at - word);
        /* A token has a character at least, and a word of more than max_characters is one token. */
        size_t most = word_length < model->max_characters ? word_length : model->max_characters;
        if (most == 0)
            most = 1;
        if (!reserve(work, most))
            return false;
        work->count += wordpiece_encode(model, word, word_length, work->ids + work->count);
    }
    return true;
}

/* A stretch of the text as it came, without raw added tokens in it. */
static bool encode_plain(struct work *work, const char *text, size_t length)
{
    const struct tokenizer *tokenizer = work->tokenizer;
    const struct added_tokens *added = &tokenizer->added;
    struct splitter splitter;
    struct segment segment;
    size_t normalized_length;
    if (!normalizer_apply(&tokenizer->normalizer, text, length, work->normalized, &normalized_length,
                          work->arena))
        return false;
    splitter_start(&splitter, added, &added->in_normalized, work->normalized, normalized_length);
    while (splitter_next(&splitter, &segment)) {
        bool fits =
            segment.text ? encode_words(work, segment.text, segment.length) : add_id(work, segment.id);
        if (!fits)
            return false;
    }
    return true;
}

static bool encode_text(struct work *work, const char *text, size_t length)
{
    const struct added_tokens *added = &work->tokenizer->added;
    struct splitter splitter;
    struct segment segment;
    splitter_start(&splitter, added, &added->raw, text, length);
    while (splitter_next(&splitter, &segment)) {
        bool fits =
            segment.text ? encode_plain(work, segment.text, segment.length) : add_id(work, segment.id);
        if (!fits)
            return false;
    }
    return true;
}

static bool start_work(struct work *work, const struct tokenizer *tokenizer, size_t text_length,
                       size_t pair_length, struct arena *arena)
{
    size_t longer = text_length > pair_length ? text_length : pair_length;
    *work = (struct work){.tokenizer = tokenizer, .arena = arena};
    if (longer > SIZE_MAX / 16)
        return false;
    work->normalized = arena_alloc(arena, normalizer_bound(longer));
    work->capacity = (text_length + pair_length) / 4 + 16;
    work->ids = arena_alloc(arena, work->capacity * sizeof *work->ids);
    return work->normalized && work->ids;
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t text_length,
                      const char *pair, size_t pair_length, const struct encode_options *options,
                      struct arena *arena, struct encoding *out, struct error *err)
{
    struct work work;
    size_t first_length = 0;
    bool fits = start_work(&work, tokenizer, text_length, pair ? pair_length : 0, arena) &&
                encode_text(&work, text, text_length);
    if (fits) {
        first_length = work.count;
        fits = !pair || encode_text(&work, pair, pair_length);
    }
    if (!fits)
        return error_set(err, ERR_NO_MEMORY, "no memory to tokenize %zu bytes",
                         text_length + (pair ? pair_length : 0));
    struct sequence first = {work.ids, first_length},
                    second = {work.ids + first_length, work.count - first_length};
    return postprocessor_apply(&tokenizer->postprocessor, first, pair ? &second : NULL, options, arena, out,
                               err);
}

size_t tokenizer_vocab_size(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab_size;
}

size_t tokenizer_max_length(const struct tokenizer *tokenizer)
{
    return tokenizer->max_length;
}

bool tokenizer_has_types(const struct tokenizer *tokenizer)
{
    return tokenizer->has_types;
}

const char *tokenizer_token(const struct tokenizer *tokenizer, int32_t id)
{
    const struct token *token = vocabulary_token(&tokenizer->model.vocabulary, id);
    return token ? token->text : added_tokens_text(&tokenizer->added, id);
}
