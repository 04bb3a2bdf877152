#include "text/pretokenizer.h"

#include "text/unicode.h"

enum { SEPARATOR = UNICODE_WHITESPACE | UNICODE_PUNCTUATION };

/* The properties of the character at *at, and *at moved past it. */
static inline unsigned next_properties(const char **at, const char *end)
{
    unsigned char byte = (unsigned char)**at;
    if (byte < 0x80) {
        ++*at;
        return unicode_properties_values[(size_t)unicode_properties_blocks[0] * UNICODE_BLOCK + byte];
    }
    return unicode_properties(utf8_decode(at, end));
}

/* BERT's words: white space separates words and is dropped; each punctuation character is a word. Finds the
 * next in [*at, end): true and the word in [*word, *at), or false where none is left. */
static bool next_bert(const char **at, const char *end, const char **word)
{
    const char *start = *at, *next = start;
    unsigned properties = UNICODE_WHITESPACE;
    while (next < end) {
        start = next;
        properties = next_properties(&next, end);
        if (!(properties & UNICODE_WHITESPACE))
            break;
    }
    if (properties & UNICODE_WHITESPACE) {
        *at = end;
        return false;
    }
    const char *stop = next;
    if (!(properties & UNICODE_PUNCTUATION)) {
        while (next < end && !(next_properties(&next, end) & SEPARATOR))
            stop = next;
    }
    *word = start;
    *at = stop;
    return true;
}

/* What a stage splits. */
struct stretch {
    const char *text, *end;
    const struct span *spans; /* [end - text], or NULL */
    bool starts;              /* it begins with what the whole text began with */
};

static bool run_stage(struct pretokenizing *run, size_t index, const struct stretch *stretch);

/* Hands [start, stop) of a stretch to the next stage. */
static bool pass_on(struct pretokenizing *run, size_t index, const struct stretch *whole, const char *start,
                    const char *stop)
{
    const struct stretch piece = {
        .text = start,
        .end = stop,
        .spans = whole->spans ? whole->spans + (start - whole->text) : NULL,
        .starts = whole->starts && start == whole->text,
    };
    return start == stop || run_stage(run, index + 1, &piece);
}

static bool run_bert(struct pretokenizing *run, size_t index, const struct stretch *whole)
{
    const char *at = whole->text, *word;
    while (next_bert(&at, whole->end, &word))
        if (!pass_on(run, index, whole, word, at))
            return false;
    return true;
}

/* Matches and what stands between them, in turn; never an empty piece. */
struct pieces {
    const struct stage *stage;
    const char *at, *end;
    const char *match, *match_stop; /* found but not handed out yet, where match is not NULL */
};

static bool next_piece(struct pieces *pieces, const char **start, const char **stop, bool *is_match)
{
    const bool invert = pieces->stage->invert;
    if (pieces->at == pieces->end)
        return false;
    if (!pieces->match &&
        !pattern_next(&pieces->stage->pattern, pieces->at, pieces->end, &pieces->match, &pieces->match_stop))
        pieces->match = pieces->match_stop = pieces->end;
    *start = pieces->at;
    *is_match = pieces->at == pieces->match;
    *stop = *is_match ? pieces->match_stop : pieces->match;
    pieces->at = *stop;
    if (*is_match)
        pieces->match = NULL;
    *is_match = *is_match != invert;
    return true;
}

/* Whether two pieces, one behind the other, become one. */
static bool joins(enum split_behavior behavior, bool first_is_match, bool second_is_match)
{
    switch (behavior) {
    case SPLIT_CONTIGUOUS:
        return first_is_match == second_is_match;
    case SPLIT_MERGED_WITH_PREVIOUS:
        return !first_is_match && second_is_match;
    case SPLIT_MERGED_WITH_NEXT:
        return first_is_match && !second_is_match;
    default:
        return false;
    }
}

static bool run_split(struct pretokenizing *run, size_t index, const struct stretch *whole)
{
    const struct stage *stage = &run->pretokenizer->stages[index];
    struct pieces pieces = {stage, whole->text, whole->end, NULL, NULL};
    const char *start, *stop, *next_start = NULL, *next_stop = NULL;
    bool is_match, next_is_match = false, more = next_piece(&pieces, &start, &stop, &is_match);
    while (more) {
        const char *first = start;
        for (;;) {
            more = next_piece(&pieces, &next_start, &next_stop, &next_is_match);
            if (!more || !joins(stage->behavior, is_match, next_is_match))
                break;
            stop = next_stop;
            is_match = next_is_match;
        }
        bool dropped = stage->behavior == SPLIT_REMOVED && is_match;
        if (!dropped && !pass_on(run, index, whole, first, stop))
            return false;
        start = next_start;
        stop = next_stop;
        is_match = next_is_match;
    }
    return true;
}

/* Spans of a text that a stage has changed: `front` bytes of what it put in front, which share the first
 * character's, then those of the old text, of which each space takes `size` bytes. NULL: no memory. */
static struct span *make_spans(struct arena *arena, const struct stretch *old, size_t front, size_t size,
                               size_t length)
{
    struct span *spans = arena_alloc(arena, length * sizeof *spans), *to = spans;
    if (!spans)
        return NULL;
    for (size_t i = 0; i < front; i++)
        *to++ = old->spans[0];
    for (const char *at = old->text; at < old->end; at++)
        for (size_t copies = *at == ' ' ? size : 1; copies > 0; copies--)
            *to++ = old->spans[at - old->text];
    return spans;
}

/* The text with the replacement for each space, and in front where the scheme says so, as *changed. */
static bool replace_spaces(const struct stage *stage, const struct stretch *whole, struct text_buffer *out,
                           struct stretch *changed)
{
    const char *text = whole->text, *end = whole->end;
    const char *replacement = stage->pattern.literal;
    const size_t size = stage->pattern.literal_length;
    size_t length = (size_t)(end - text), spaces = 0;
    for (const char *at = text; at < end; at++)
        spaces += *at == ' ';
    bool has_it = *text == ' ' || (length >= size && memcmp(text, replacement, size) == 0);
    bool prepends =
        !has_it && (stage->scheme == PREPEND_ALWAYS || (stage->scheme == PREPEND_FIRST && whole->starts));
    out->length = 0;
    if (!text_reserve(out, length + (spaces + prepends) * size))
        return false;
    char *to = out->bytes;
    if (prepends) {
        memcpy(to, replacement, size);
        to += size;
    }
    for (const char *at = text; at < end; at++) {
        if (*at == ' ') {
            memcpy(to, replacement, size);
            to += size;
        } else {
            *to++ = *at;
        }
    }
    out->length = (size_t)(to - out->bytes);
    *changed = (struct stretch){out->bytes, to, NULL, whole->starts};
    if (whole->spans)
        changed->spans = make_spans(out->arena, whole, prepends ? size : 0, size, out->length);
    return !whole->spans || changed->spans;
}

/* Where the replacement stands next in [at, stop), or `stop`. It is a character or a few: not worth a memmem.
 */
static const char *find_replacement(const struct stage *stage, const char *at, const char *stop)
{
    const char *replacement = stage->pattern.literal;
    const size_t size = stage->pattern.literal_length;
    for (; at < stop; at++)
        if (*at == *replacement && (size_t)(stop - at) >= size && memcmp(at, replacement, size) == 0)
            return at;
    return stop;
}

static bool run_metaspace(struct pretokenizing *run, size_t index, const struct stretch *whole)
{
    const struct stage *stage = &run->pretokenizer->stages[index];
    struct stretch changed;
    if (!replace_spaces(stage, whole, &run->buffers[index], &changed))
        return false;
    if (!stage->splits)
        return pass_on(run, index, &changed, changed.text, changed.end);
    /* A piece begins at each replacement. */
    for (const char *piece = changed.text; piece < changed.end;) {
        const char *next = find_replacement(stage, piece + 1, changed.end);
        if (!pass_on(run, index, &changed, piece, next))
            return false;
        piece = next;
    }
    return true;
}

static bool prepend_space(struct text_buffer *buffer, struct stretch *stretch)
{
    const struct stretch old = *stretch;
    buffer->length = 0;
    if (!text_append(buffer, " ", 1) || !text_append(buffer, old.text, (size_t)(old.end - old.text)))
        return false;
    stretch->text = buffer->bytes;
    stretch->end = buffer->bytes + buffer->length;
    if (old.spans)
        stretch->spans = make_spans(buffer->arena, &old, 1, 1, buffer->length);
    return !old.spans || stretch->spans;
}

static bool run_byte_level(struct pretokenizing *run, size_t index, const struct stretch *whole)
{
    const struct stage *stage = &run->pretokenizer->stages[index];
    struct stretch text = *whole;
    if (stage->scheme == PREPEND_ALWAYS && *text.text != ' ' && !prepend_space(&run->buffers[index], &text))
        return false;
    if (!stage->splits)
        return pass_on(run, index, &text, text.text, text.end);
    const char *start, *stop;
    for (const char *at = text.text; pattern_next(&stage->pattern, at, text.end, &start, &stop); at = stop)
        if (!pass_on(run, index, &text, start, stop))
            return false;
    return true;
}

static bool run_stage(struct pretokenizing *run, size_t index, const struct stretch *stretch)
{
    if (index == run->pretokenizer->count)
        return run->word(run->context, stretch->text, stretch->spans, (size_t)(stretch->end - stretch->text));
    switch (run->pretokenizer->stages[index].kind) {
    case STAGE_BERT:
        return run_bert(run, index, stretch);
    case STAGE_SPLIT:
        return run_split(run, index, stretch);
    case STAGE_METASPACE:
        return run_metaspace(run, index, stretch);
    default:
        return run_byte_level(run, index, stretch);
    }
}

bool pretokenizer_run(struct pretokenizing *run, const char *text, const struct span *spans, size_t length,
                      bool starts)
{
    const struct stretch whole = {text, text + length, spans, starts};
    return length == 0 || run_stage(run, 0, &whole);
}
