#include "text/normal_form.h"

#include "text/unicode.h"

/* Characters that depend on each other, decomposed: a code point each, its combining class above it. */
struct points {
    uint32_t *items; /* [count] of capacity */
    size_t count, capacity;
    struct arena *arena;
};
enum { CLASS_SHIFT = 24, POINT_MASK = (1 << CLASS_SHIFT) - 1 };

static bool composes(enum normal_form form)
{
    return form == FORM_NFC || form == FORM_NFKC;
}

static size_t decompose(enum normal_form form, uint32_t point, uint32_t out[UNICODE_MAX_COMPATIBILITY])
{
    bool compatibly = form == FORM_NFKD || form == FORM_NFKC;
    return compatibly ? unicode_decompose_compatibly(point, out) : unicode_decompose(point, out);
}

/* Whether a character stays as it is: for a composing form, between characters that do, too. */
static bool is_stable(enum normal_form form, uint32_t point)
{
    if (form == FORM_NFC)
        return unicode_kinds(point) & UNICODE_NFC_STABLE;
    if (form == FORM_NFKC)
        return unicode_kinds(point) & UNICODE_NFKC_STABLE;
    uint32_t parts[UNICODE_MAX_COMPATIBILITY];
    return unicode_class(point) == 0 && decompose(form, point, parts) == 1 && parts[0] == point;
}

static bool add_decomposed(enum normal_form form, uint32_t point, struct points *points)
{
    uint32_t parts[UNICODE_MAX_COMPATIBILITY];
    size_t count = decompose(form, point, parts);
    if (count > points->capacity - points->count) {
        size_t capacity = points->capacity * 2 + 64;
        uint32_t *items = points->items
                              ? arena_grow(points->arena, points->items, points->capacity * sizeof *items,
                                           capacity * sizeof *items)
                              : arena_alloc(points->arena, capacity * sizeof *items);
        if (!items)
            return false;
        points->items = items;
        points->capacity = capacity;
    }
    for (size_t i = 0; i < count; i++)
        points->items[points->count++] = parts[i] | unicode_class(parts[i]) << CLASS_SHIFT;
    return true;
}

/* Sorts items[start..stop), none of class 0, by class. A pass for each class there is keeps the order of
 * equal classes and the cost linear in the run's length. */
static bool sort_run(struct points *points, size_t start, size_t stop)
{
    uint64_t classes = 0;
    bool sorted = true;
    for (size_t i = start; i < stop; i++) {
        classes |= (uint64_t)1 << (points->items[i] >> CLASS_SHIFT);
        sorted =
            sorted && (i == start || points->items[i - 1] >> CLASS_SHIFT <= points->items[i] >> CLASS_SHIFT);
    }
    if (sorted)
        return true;
    uint32_t *copy = arena_alloc(points->arena, (stop - start) * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, points->items + start, (stop - start) * sizeof *copy);
    size_t to = start;
    for (; classes; classes &= classes - 1)
        for (size_t i = 0; i < stop - start; i++)
            if (copy[i] >> CLASS_SHIFT == (unsigned)__builtin_ctzll(classes))
                points->items[to++] = copy[i];
    return true;
}

/* The canonical ordering (The Unicode Standard, 3.11). */
static bool order(struct points *points)
{
    for (size_t i = 0; i < points->count; i++) {
        size_t start = i;
        while (i < points->count && points->items[i] >> CLASS_SHIFT)
            i++;
        if (i > start + 1 && !sort_run(points, start, i))
            return false;
    }
    return true;
}

/* The canonical composition (The Unicode Standard, 3.11, D117). */
static void compose(struct points *points)
{
    size_t count = 0, starter = SIZE_MAX;
    for (size_t i = 0; i < points->count; i++) {
        uint32_t item = points->items[i], class = item >> CLASS_SHIFT;
        if (starter != SIZE_MAX) {
            uint32_t before = points->items[count - 1] >> CLASS_SHIFT;
            bool blocked = count - 1 != starter && (before == 0 || before >= class);
            uint32_t composite =
                blocked ? 0 : unicode_compose(points->items[starter] & POINT_MASK, item & POINT_MASK);
            if (composite) {
                points->items[starter] = composite;
                continue;
            }
        }
        if (class == 0)
            starter = count;
        points->items[count++] = item;
    }
    points->count = count;
}

static bool write_points(enum normal_form form, struct points *points, struct text_buffer *out)
{
    if (!order(points))
        return false;
    if (composes(form))
        compose(points);
    if (!text_reserve(out, points->count * 4))
        return false;
    char *to = out->bytes + out->length;
    for (size_t i = 0; i < points->count; i++)
        to = utf8_encode(to, points->items[i] & POINT_MASK);
    out->length = (size_t)(to - out->bytes);
    return true;
}

bool normal_form_apply(enum normal_form form, const char *text, size_t length, struct text_buffer *out)
{
    struct points points = {.arena = out->arena};
    const char *at = text, *end = text + length;
    while (at < end) {
        const char *start = at, *last = at; /* of the last stable character */
        const char *next = at;
        bool stable = true;
        while (next < end) {
            at = next;
            stable = (unsigned char)*next < 0x80;
            if (stable)
                next++;
            else
                stable = is_stable(form, utf8_decode(&next, end));
            if (!stable)
                break;
            last = at;
        }
        if (stable)
            return text_append(out, start, (size_t)(end - start));
        /* What composes may do so with the stable character before it. */
        if (!composes(form))
            last = at;
        if (!text_append(out, start, (size_t)(last - start)))
            return false;
        points.count = 0;
        at = next = last;
        while (next < end) {
            uint32_t point = utf8_decode(&next, end);
            if (at > last && is_stable(form, point))
                break;
            if (!add_decomposed(form, point, &points))
                return false;
            at = next;
        }
        if (!write_points(form, &points, out))
            return false;
    }
    return true;
}
