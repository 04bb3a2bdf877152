/* The way of one text: added tokens, normalizer, normalized added tokens, words, model, template. */
#include "text/tokenizer.h"

#include "text/alignment.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

/* One encode: its buffers are used again for each sequence and each stretch of plain text. */
struct work {
    const struct tokenizer *tokenizer;
    struct normalizing normalizing;
    struct pretokenizing words;
    struct unigram_scratch unigram;
    struct id_buffer ids;  /* tracks where places are asked for */
    const char *text;      /* the sequence that is encoded */
    int32_t word_count;    /* of it, so far */
    struct arena *scratch; /* of spans */
};

static bool encode_wordpiece(const struct wordpiece *model, const char *word, size_t length,
                             struct id_buffer *ids)
{
    /* A token has a character at least, and a word of more than max_characters is one token. */
    size_t most = length < model->max_characters ? length : model->max_characters;
    if (!ids_reserve(ids, most ? most : 1))
        return false;
    size_t count = wordpiece_encode(model, word, length, ids->ids + ids->count);
    if (ids->tracks)
        wordpiece_spans(model, length, ids->ids + ids->count, count, ids->origins + ids->count);
    ids->count += count;
    return true;
}

static bool encode_word(struct work *work, const char *word, size_t length)
{
    const struct tokenizer *tokenizer = work->tokenizer;
    int32_t id;
    switch (tokenizer->kind) {
    case MODEL_WORDPIECE:
        return encode_wordpiece(&tokenizer->wordpiece, word, length, &work->ids);
    case MODEL_BPE:
        return bpe_encode(&tokenizer->bpe, word, length, &work->ids);
    case MODEL_UNIGRAM:
        return unigram_encode(&tokenizer->unigram, word, length, &work->unigram, &work->ids);
    default:
        id = vocabulary_find(&tokenizer->vocabulary, word, length);
        return ids_add_from(&work->ids, id < 0 ? tokenizer->unknown_id : id, 0, length);
    }
}

/* The white space at the ends of a token as the package's process_offsets() sees it: U+0120 is how a byte
 * level writes a space. */
static bool is_token_space(uint32_t point)
{
    return point == 0x120 || unicode_properties(point) & UNICODE_WHITESPACE;
}

static void count_spaces(const char *text, size_t length, struct origin *origin)
{
    const char *at = text, *end = text + length;
    while (at < end && is_token_space(utf8_decode(&at, end)))
        origin->leading++;
    for (at = end; at > text; origin->trailing++) {
        uint32_t point = utf8_decode_last(text, at);
        if (!is_token_space(point))
            break;
        char bytes[4];
        at -= utf8_encode(bytes, point) - bytes;
    }
}

/* The same of one of the word's tokens: of the text that the package has for it, which of Unigram's unknown
 * token is that of the word. */
static void count_token_spaces(const struct tokenizer *tokenizer, const char *word, int32_t id,
                               struct origin *origin)
{
    const struct span *span = &origin->span;
    if (tokenizer->kind == MODEL_UNIGRAM && id == tokenizer->unigram.unknown_id) {
        count_spaces(word + span->start, span->end - span->start, origin);
    } else {
        const struct token_text token = tokenizer_token(tokenizer, id);
        count_spaces(token.text, token.length, origin);
    }
}

/* Turns the spans of the word's tokens into those of the text. */
static bool take_word(void *context, const char *word, const struct span *spans, size_t length)
{
    struct work *work = context;
    struct id_buffer *ids = &work->ids;
    const size_t before = ids->count;
    if (!encode_word(work, word, length))
        return false;
    if (!ids->tracks)
        return true;
    for (size_t i = before; i < ids->count; i++) {
        struct origin *origin = &ids->origins[i];
        if (work->tokenizer->postprocessor.trims)
            count_token_spaces(work->tokenizer, word, ids->ids[i], origin);
        /* What ends past its word has no place in the text, and the package takes the span for one. */
        if (origin->span.end <= length)
            origin->span = (struct span){spans[origin->span.start].start, spans[origin->span.end - 1].end};
        origin->word = work->word_count;
    }
    work->word_count++;
    return true;
}

/* An added token, whose bytes have `spans`, or stand in the text itself where that is NULL. */
static bool take_added(struct work *work, const struct segment *segment, const struct span *spans)
{
    struct id_buffer *ids = &work->ids;
    if (!ids_add(ids, segment->id))
        return false;
    if (!ids->tracks)
        return true;
    struct origin *origin = &ids->origins[ids->count - 1];
    size_t start = (size_t)(segment->text - work->text);
    *origin = (struct origin){.span = {(uint32_t)start, (uint32_t)(start + segment->length)},
                              .word = work->word_count++};
    if (spans && segment->length > 0)
        origin->span = (struct span){spans[0].start, spans[segment->length - 1].end};
    count_spaces(segment->text, segment->length, origin);
    return true;
}

/* A stretch of the text as it came, without raw added tokens in it. */
static bool encode_plain(struct work *work, const char *text, size_t length, bool starts)
{
    const struct added_tokens *added = &work->tokenizer->added;
    const struct normalizer *normalizer = &work->tokenizer->normalizer;
    struct aligned aligned = {text, length, NULL};
    struct splitter splitter;
    struct segment segment;
    if (work->ids.tracks) {
        if (!alignment_normalize(normalizer, text, length, (size_t)(text - work->text), work->scratch,
                                 &aligned))
            return false;
        starts = aligned.length > 0 && aligned.spans[0].start == 0;
    } else {
        if (!normalizer_apply(normalizer, &work->normalizing, &aligned.text, &aligned.length))
            return false;
        starts = starts && !work->normalizing.dropped_front;
    }
    splitter_start(&splitter, added, &added->in_normalized, aligned.text, aligned.length);
    while (splitter_next(&splitter, &segment)) {
        const struct span *spans = aligned.spans ? aligned.spans + (segment.text - aligned.text) : NULL;
        bool fits = segment.id < 0 ? pretokenizer_run(&work->words, segment.text, spans, segment.length,
                                                      starts && segment.text == aligned.text)
                                   : take_added(work, &segment, spans);
        if (!fits)
            return false;
    }
    return true;
}

/* The places of tokens ids->origins[first..count) of the text in characters. */
static bool count_in_characters(struct work *work, size_t first, size_t length)
{
    /* By byte; of a byte inside a character, that character's. */
    uint32_t *characters = arena_alloc(work->scratch, (length + 1) * sizeof *characters), count = 0;
    if (!characters)
        return false;
    for (size_t i = 0; i < length; i++) {
        count += ((unsigned char)work->text[i] & 0xC0) != 0x80;
        characters[i] = count - 1;
    }
    characters[length] = count;
    for (size_t i = first; i < work->ids.count; i++) {
        struct span *span = &work->ids.origins[i].span;
        if (span->end <= length)
            *span = (struct span){characters[span->start], characters[span->end]};
        else if (span->start < length) /* the package's way with a span that is none */
            *span = (struct span){characters[span->start], characters[span->start] + 2};
    }
    return true;
}

static bool encode_text(struct work *work, const char *text, size_t length)
{
    const struct added_tokens *added = &work->tokenizer->added;
    struct splitter splitter;
    struct segment segment;
    const size_t first = work->ids.count;
    work->text = text;
    work->word_count = 0;
    splitter_start(&splitter, added, &added->raw, text, length);
    while (splitter_next(&splitter, &segment)) {
        bool fits = segment.id < 0 ? encode_plain(work, segment.text, segment.length, segment.text == text)
                                   : take_added(work, &segment, NULL);
        if (!fits)
            return false;
    }
    return !work->ids.tracks || count_in_characters(work, first, length);
}

static bool start_work(struct work *work, const struct tokenizer *tokenizer, size_t text_length,
                       size_t pair_length, bool tracks, struct arena *arena)
{
    if (text_length > SIZE_MAX / 32 || pair_length > SIZE_MAX / 32)
        return false;
    if (tracks && (text_length > INT32_MAX || pair_length > INT32_MAX))
        return false;
    *work = (struct work){.tokenizer = tokenizer,
                          .unigram = {.arena = arena},
                          .ids = {.tracks = tracks, .arena = arena},
                          .scratch = arena};
    normalizing_init(&work->normalizing, arena);
    work->words = (struct pretokenizing){&tokenizer->pretokenizer, {{0}}, take_word, work};
    for (size_t i = 0; i < tokenizer->pretokenizer.count; i++)
        work->words.buffers[i].arena = arena;
    /* About a token for every four bytes is what ordinary text has. */
    return ids_reserve(&work->ids, (text_length + pair_length) / 4 + 16);
}

static bool encode(const struct tokenizer *tokenizer, const char *text, size_t text_length, const char *pair,
                   size_t pair_length, const struct encode_options *options, struct arena *scratch,
                   struct arena *arena, struct encoding *out, struct error *err)
{
    struct work work;
    size_t first_length = 0;
    bool fits = start_work(&work, tokenizer, text_length, pair ? pair_length : 0, options->places, scratch) &&
                encode_text(&work, text, text_length);
    if (fits) {
        first_length = work.ids.count;
        fits = !pair || encode_text(&work, pair, pair_length);
    }
    if (!fits)
        return error_set(err, ERR_NO_MEMORY, "no memory to tokenize %zu bytes",
                         text_length + (pair ? pair_length : 0));
    const struct origin *origins = work.ids.origins;
    struct sequence first = {work.ids.ids, origins, first_length},
                    second = {work.ids.ids + first_length, origins ? origins + first_length : NULL,
                              work.ids.count - first_length};
    return postprocessor_apply(&tokenizer->postprocessor, first, pair ? &second : NULL, options, arena, out,
                               err);
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t text_length,
                      const char *pair, size_t pair_length, const struct encode_options *options,
                      struct arena *arena, struct encoding *out, struct error *err)
{
    struct arena scratch;
    arena_init(&scratch, 0, arena->limit);
    bool encoded =
        encode(tokenizer, text, text_length, pair, pair_length, options, &scratch, arena, out, err);
    arena->refused |= scratch.refused;
    arena_free(&scratch);
    return encoded;
}

size_t tokenizer_special_count(const struct tokenizer *tokenizer, bool pair)
{
    return (pair ? &tokenizer->postprocessor.pair : &tokenizer->postprocessor.single)->special_count;
}

size_t tokenizer_max_length(const struct tokenizer *tokenizer)
{
    return tokenizer->max_length;
}

bool tokenizer_has_types(const struct tokenizer *tokenizer)
{
    return tokenizer->has_types;
}

struct token_text tokenizer_token(const struct tokenizer *tokenizer, int32_t id)
{
    const struct token *token = vocabulary_token(&tokenizer->vocabulary, id);
    return token ? (struct token_text){token->text, token->length} : added_tokens_text(&tokenizer->added, id);
}
