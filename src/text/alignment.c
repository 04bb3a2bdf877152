#include "text/alignment.h"

#include "text/unicode.h"

/* A character and the bytes that it came from. */
struct character {
    uint32_t point;
    struct span from;
};

struct characters {
    struct character *items; /* [count] of capacity */
    size_t count, capacity;
};

/* One step: characters are read from `from` and written to `to`. */
struct aligner {
    struct arena *arena;
    struct characters from, to;
    size_t at; /* of the characters read, how many are accounted for */
};

static bool init_characters(struct characters *characters, size_t capacity, struct arena *arena)
{
    characters->items = arena_alloc(arena, capacity * sizeof *characters->items);
    characters->capacity = capacity;
    return characters->items != NULL;
}

static bool add_character(struct aligner *aligner, uint32_t point, struct span from)
{
    struct characters *to = &aligner->to;
    if (to->count == to->capacity) {
        size_t size = sizeof *to->items, capacity = to->capacity * 2;
        struct character *items = arena_grow(aligner->arena, to->items, to->capacity * size, capacity * size);
        if (!items)
            return false;
        to->items = items;
        to->capacity = capacity;
    }
    to->items[to->count++] = (struct character){point, from};
    return true;
}

/* Writes a character. `change` is the package's: 1 for one that is added, else it stands for the next
 * character that was read and for -change more. */
static bool put(struct aligner *aligner, uint32_t point, long change)
{
    const struct characters *from = &aligner->from;
    size_t at = aligner->at;
    struct span span = {0, 0};
    if (change > 0) {
        if (at > 0)
            span = from->items[at - 1].from;
    } else {
        if (at < from->count)
            span = from->items[at].from;
        size_t passed = (size_t)(1 - change);
        aligner->at = passed < from->count - at ? at + passed : from->count;
    }
    return add_character(aligner, point, span);
}

/* What was written is read next. */
static void turn(struct aligner *aligner)
{
    struct characters old = aligner->from;
    aligner->from = aligner->to;
    aligner->to = old;
    aligner->to.count = 0;
    aligner->at = 0;
}

static bool read_text(struct aligner *aligner, const char *text, size_t length, size_t offset)
{
    for (const char *at = text, *end = text + length; at < end;) {
        const char *start = at;
        uint32_t point = utf8_decode(&at, end);
        struct span from = {(uint32_t)(offset + (size_t)(start - text)),
                            (uint32_t)(offset + (size_t)(at - text))};
        if (!add_character(aligner, point, from))
            return false;
    }
    turn(aligner);
    return true;
}

/* The characters read so far as UTF-8, NUL not needed. */
static bool write_text(const struct characters *from, struct text_buffer *out)
{
    out->length = 0;
    if (!text_reserve(out, from->count * 4 + 1) || !out->bytes)
        return false;
    char *to = out->bytes;
    for (size_t i = 0; i < from->count; i++)
        to = utf8_encode(to, from->items[i].point);
    out->length = (size_t)(to - out->bytes);
    return true;
}

/* --- Normal forms */

struct part {
    uint32_t point;
    unsigned class;
    long change;
};

struct parts {
    struct part *items; /* [count] */
    size_t count;
};

static bool decompose(struct aligner *aligner, bool compatibly, struct parts *out)
{
    const struct characters *from = &aligner->from;
    uint32_t points[UNICODE_MAX_COMPATIBILITY];
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++)
        count += compatibly ? unicode_decompose_compatibly(from->items[i].point, points)
                            : unicode_decompose(from->items[i].point, points);
    out->items = arena_alloc(aligner->arena, count * sizeof *out->items);
    out->count = 0;
    for (size_t i = 0; out->items && i < from->count; i++) {
        size_t parts = compatibly ? unicode_decompose_compatibly(from->items[i].point, points)
                                  : unicode_decompose(from->items[i].point, points);
        for (size_t j = 0; j < parts; j++)
            out->items[out->count++] = (struct part){points[j], unicode_class(points[j]), j > 0};
    }
    return out->items != NULL;
}

/* Sorts items[start..stop) by class, equal ones in order: a pass for each class there is, as in
 * normal_form.c. */
static bool sort_run(struct parts *parts, size_t start, size_t stop, struct arena *arena)
{
    uint64_t classes = 0;
    bool sorted = true;
    for (size_t i = start; i < stop; i++) {
        classes |= (uint64_t)1 << parts->items[i].class;
        sorted = sorted && (i == start || parts->items[i - 1].class <= parts->items[i].class);
    }
    if (sorted)
        return true;
    struct part *copy = arena_alloc(arena, (stop - start) * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, parts->items + start, (stop - start) * sizeof *copy);
    for (size_t to = start; classes; classes &= classes - 1)
        for (size_t i = 0; i < stop - start; i++)
            if (copy[i].class == (unsigned)__builtin_ctzll(classes))
                parts->items[to++] = copy[i];
    return true;
}

static bool order(struct parts *parts, struct arena *arena)
{
    for (size_t i = 0; i < parts->count; i++) {
        size_t start = i;
        while (i < parts->count && parts->items[i].class)
            i++;
        if (i > start + 1 && !sort_run(parts, start, i, arena))
            return false;
    }
    return true;
}

/* The canonical composition; the account of a composite is that of its two parts together. */
static void compose(struct parts *parts)
{
    size_t count = 0, starter = SIZE_MAX;
    for (size_t i = 0; i < parts->count; i++) {
        struct part part = parts->items[i];
        if (starter != SIZE_MAX) {
            unsigned before = parts->items[count - 1].class;
            bool blocked = count - 1 != starter && (before == 0 || before >= part.class);
            uint32_t composite = blocked ? 0 : unicode_compose(parts->items[starter].point, part.point);
            if (composite) {
                parts->items[starter].point = composite;
                parts->items[starter].change += part.change - 1;
                continue;
            }
        }
        if (part.class == 0)
            starter = count;
        parts->items[count++] = part;
    }
    parts->count = count;
}

static bool put_form(struct aligner *aligner, enum normal_form form)
{
    struct parts parts;
    if (!decompose(aligner, form == FORM_NFKD || form == FORM_NFKC, &parts) || !order(&parts, aligner->arena))
        return false;
    if (form == FORM_NFC || form == FORM_NFKC)
        compose(&parts);
    for (size_t i = 0; i < parts.count; i++)
        if (!put(aligner, parts.items[i].point, parts.items[i].change))
            return false;
    return true;
}

/* --- The other steps */

/* Each character becomes what `map` makes of it. */
static bool filter(struct aligner *aligner, uint32_t (*map)(uint32_t point))
{
    for (size_t i = 0; i < aligner->from.count; i++) {
        const struct character *character = &aligner->from.items[i];
        uint32_t point = map(character->point);
        if (point != NORMALIZER_DROPPED && !add_character(aligner, point, character->from))
            return false;
    }
    return true;
}

static uint32_t clean(uint32_t point)
{
    unsigned properties = unicode_properties(point);
    return properties & UNICODE_REMOVED ? NORMALIZER_DROPPED : properties & UNICODE_SPACE ? ' ' : point;
}

static uint32_t drop_mark(uint32_t point)
{
    return unicode_properties(point) & UNICODE_MARK ? NORMALIZER_DROPPED : point;
}

static uint32_t drop_combining(uint32_t point)
{
    return unicode_kinds(point) & UNICODE_COMBINING ? NORMALIZER_DROPPED : point;
}

static bool put_spaced(struct aligner *aligner)
{
    for (size_t i = 0; i < aligner->from.count; i++) {
        uint32_t point = aligner->from.items[i].point;
        bool spaced = unicode_properties(point) & UNICODE_CHINESE;
        bool fits = spaced ? put(aligner, ' ', 0) && put(aligner, point, 1) && put(aligner, ' ', 1)
                           : put(aligner, point, 0);
        if (!fits)
            return false;
    }
    return true;
}

static bool put_lower(struct aligner *aligner)
{
    for (size_t i = 0; i < aligner->from.count; i++) {
        uint32_t lower[UNICODE_MAX_LOWER];
        size_t count = unicode_lower(aligner->from.items[i].point, lower);
        for (size_t j = 0; j < count; j++)
            if (!put(aligner, lower[j], j > 0))
                return false;
    }
    return true;
}

static bool put_bert(struct aligner *aligner, const struct bert_normalizer *bert)
{
    if (bert->clean_text) {
        if (!filter(aligner, clean))
            return false;
        turn(aligner);
    }
    if (bert->handle_chinese_chars) {
        if (!put_spaced(aligner))
            return false;
        turn(aligner);
    }
    if (bert->strip_accents) {
        if (!put_form(aligner, FORM_NFD))
            return false;
        turn(aligner);
        if (!filter(aligner, drop_mark))
            return false;
        turn(aligner);
    }
    if (bert->lowercase) {
        if (!put_lower(aligner))
            return false;
        turn(aligner);
    }
    return true;
}

static bool copy(struct aligner *aligner, size_t start, size_t stop)
{
    for (size_t i = start; i < stop; i++)
        if (!add_character(aligner, aligner->from.items[i].point, aligner->from.items[i].from))
            return false;
    return true;
}

static bool put_strip(struct aligner *aligner, const struct step *step)
{
    const struct characters *from = &aligner->from;
    size_t start = 0, stop = from->count;
    while (step->strips_left && start < stop &&
           unicode_properties(from->items[start].point) & UNICODE_WHITESPACE)
        start++;
    while (step->strips_right && start < stop &&
           unicode_properties(from->items[stop - 1].point) & UNICODE_WHITESPACE)
        stop--;
    return copy(aligner, start, stop);
}

static bool add_content(struct aligner *aligner, const struct step *step, struct span from)
{
    for (const char *at = step->content, *end = at + step->content_length; at < end;)
        if (!add_character(aligner, utf8_decode(&at, end), from))
            return false;
    return true;
}

static bool put_prepend(struct aligner *aligner, const struct step *step)
{
    const struct characters *from = &aligner->from;
    return from->count == 0 ||
           (add_content(aligner, step, from->items[0].from) && copy(aligner, 0, from->count));
}

static size_t count_characters(const char *at, const char *end)
{
    size_t count = 0;
    for (; at < end; at++)
        count += ((unsigned char)*at & 0xC0) != 0x80;
    return count;
}

/* All of a replacement has the place of the last character that it replaces. */
static bool put_replace(struct aligner *aligner, const struct step *step, struct text_buffer *text)
{
    if (!write_text(&aligner->from, text))
        return false;
    const char *at = text->bytes, *end = at + text->length, *start, *stop;
    size_t index = 0;
    while (pattern_next(&step->pattern, at, end, &start, &stop)) {
        size_t before = count_characters(at, start), matched = count_characters(start, stop);
        if (!copy(aligner, index, index + before) ||
            !add_content(aligner, step, aligner->from.items[index + before + matched - 1].from))
            return false;
        index += before + matched;
        at = stop;
    }
    return copy(aligner, index, aligner->from.count);
}

/* --- The charsmap: what a character stands for is known only when the next one comes, for what is taken away
 * counts with the character before it. */

struct late {
    struct aligner *aligner;
    uint32_t point;
    long change;
    bool waits;
};

static bool put_late(struct late *late, uint32_t point, long change)
{
    bool fits = !late->waits || put(late->aligner, late->point, late->change);
    late->point = point;
    late->change = change;
    late->waits = true;
    return fits;
}

/* The replacement of `old` characters. */
static bool put_mapped(struct late *late, const char *text, size_t old)
{
    const char *end = text + strlen(text);
    size_t count = count_characters(text, end);
    for (size_t i = 0; text < end; i++)
        if (!put_late(late, utf8_decode(&text, end), i >= old))
            return false;
    if (count < old && late->waits)
        late->change += (long)count - (long)old;
    return true;
}

static bool put_cluster(struct late *late, const struct charsmap *map, const char *at, const char *stop)
{
    const char *found;
    if (charsmap_find_cluster(map, at, stop, &found))
        return put_mapped(late, found, count_characters(at, stop));
    while (at < stop) {
        const char *next = at;
        uint32_t point = utf8_decode(&next, stop);
        bool fits = charsmap_find(map, at, (size_t)(next - at), &found) ? put_mapped(late, found, 1)
                                                                        : put_late(late, point, 0);
        if (!fits)
            return false;
        at = next;
    }
    return true;
}

static bool put_charsmap(struct aligner *aligner, const struct charsmap *map, struct text_buffer *text)
{
    struct late late = {.aligner = aligner};
    if (!write_text(&aligner->from, text))
        return false;
    for (const char *at = text->bytes, *end = at + text->length; at < end;) {
        const char *stop = charsmap_cluster_end(at, end);
        if (!put_cluster(&late, map, at, stop))
            return false;
        at = stop;
    }
    return !late.waits || put(aligner, late.point, late.change);
}

/* --- All */

static bool put_step(struct aligner *aligner, const struct step *step, struct text_buffer *text)
{
    bool fits;
    switch (step->kind) {
    case STEP_BERT:
        return put_bert(aligner, &step->bert);
    case STEP_FORM:
        fits = put_form(aligner, step->form);
        break;
    case STEP_LOWERCASE:
        fits = put_lower(aligner);
        break;
    case STEP_STRIP_ACCENTS:
        fits = filter(aligner, drop_combining);
        break;
    case STEP_STRIP:
        fits = put_strip(aligner, step);
        break;
    case STEP_REPLACE:
        fits = put_replace(aligner, step, text);
        break;
    case STEP_PREPEND:
        fits = put_prepend(aligner, step);
        break;
    case STEP_NMT:
        fits = filter(aligner, normalizer_nmt);
        break;
    default:
        fits = put_charsmap(aligner, &step->charsmap, text);
    }
    turn(aligner);
    return fits;
}

bool alignment_normalize(const struct normalizer *normalizer, const char *text, size_t length, size_t offset,
                         struct arena *arena, struct aligned *out)
{
    struct aligner aligner = {.arena = arena};
    struct text_buffer buffer = {.arena = arena};
    if (!init_characters(&aligner.from, length + 16, arena) ||
        !init_characters(&aligner.to, length + 16, arena) || !read_text(&aligner, text, length, offset))
        return false;
    for (size_t i = 0; i < normalizer->count; i++)
        if (!put_step(&aligner, &normalizer->steps[i], &buffer))
            return false;
    if (!write_text(&aligner.from, &buffer))
        return false;
    struct span *spans = arena_alloc(arena, buffer.length * sizeof *spans);
    if (!spans)
        return false;
    *out = (struct aligned){buffer.bytes, buffer.length, spans};
    for (size_t i = 0; i < aligner.from.count; i++) {
        char bytes[4];
        size_t size = (size_t)(utf8_encode(bytes, aligner.from.items[i].point) - bytes);
        for (; size > 0; size--)
            *spans++ = aligner.from.items[i].from;
    }
    return true;
}
