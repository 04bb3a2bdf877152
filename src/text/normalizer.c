#include "text/normalizer.h"

#include "text/unicode.h"

void normalizing_init(struct normalizing *normalizing, struct arena *arena)
{
    *normalizing = (struct normalizing){.buffers = {{.arena = arena}, {.arena = arena}}};
}

static bool is_ascii(const char *text, size_t length)
{
    uint64_t word, seen = 0;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, text + i, 8);
        seen |= word;
    }
    for (; i < length; i++)
        seen |= (unsigned char)text[i];
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

static bool apply_bert(const struct step *step, const char *text, size_t length, struct text_buffer *out)
{
    return text_reserve(out, bert_normalizer_bound(length)) &&
           bert_normalizer_apply(&step->bert, text, length, out->bytes, &out->length, out->arena);
}

static bool lowercase(const char *text, size_t length, struct text_buffer *out)
{
    if (!text_reserve(out, length * UNICODE_MAX_GROWTH))
        return false;
    char *to = out->bytes;
    for (const char *at = text, *end = text + length; at < end;) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x80) {
            *to++ = (char)(byte | ((unsigned char)(byte - 'A') < 26 ? 0x20 : 0));
            at++;
            continue;
        }
        uint32_t lower[UNICODE_MAX_LOWER];
        size_t count = unicode_lower(utf8_decode(&at, end), lower);
        for (size_t i = 0; i < count; i++)
            to = utf8_encode(to, lower[i]);
    }
    out->length = (size_t)(to - out->bytes);
    return true;
}

static bool strip_accents(const char *text, size_t length, struct text_buffer *out)
{
    if (!text_reserve(out, length))
        return false;
    for (const char *at = text, *end = text + length; at < end;) {
        const char *start = at;
        uint32_t point = utf8_decode(&at, end);
        size_t size = (size_t)(at - start);
        if (point >= 0x80 && unicode_kinds(point) & UNICODE_COMBINING)
            continue;
        memcpy(out->bytes + out->length, start, size);
        out->length += size;
    }
    return true;
}

/* The package's table: of controls that go and characters that become a space. */
static bool nmt_drops(uint32_t point)
{
    return (point >= 1 && point <= 8) || point == 0xB || (point >= 0xE && point <= 0x1F) || point == 0x7F ||
           point == 0x8F || point == 0x9F;
}

static bool nmt_makes_space(uint32_t point)
{
    return point == 9 || point == 0xA || point == 0xC || point == 0xD || point == 0x1680 ||
           (point >= 0x200B && point <= 0x200F) || point == 0x2028 || point == 0x2029 || point == 0x2581 ||
           point == 0xFEFF || point == 0xFFFD;
}

uint32_t normalizer_nmt(uint32_t point)
{
    return nmt_drops(point) ? NORMALIZER_DROPPED : nmt_makes_space(point) ? ' ' : point;
}

static bool nmt(const char *text, size_t length, struct text_buffer *out)
{
    if (!text_reserve(out, length))
        return false;
    char *to = out->bytes;
    for (const char *at = text, *end = text + length; at < end;) {
        const char *start = at;
        uint32_t point = utf8_decode(&at, end);
        size_t size = (size_t)(at - start);
        if (nmt_drops(point))
            continue;
        if (nmt_makes_space(point)) {
            *to++ = ' ';
            continue;
        }
        memcpy(to, start, size);
        to += size;
    }
    out->length = (size_t)(to - out->bytes);
    return true;
}

static bool replace(const struct step *step, const char *text, const char *end, const char *start,
                    const char *stop, struct text_buffer *out)
{
    const char *at = text;
    do {
        if (!text_append(out, at, (size_t)(start - at)) ||
            !text_append(out, step->content, step->content_length))
            return false;
        at = stop;
    } while (pattern_next(&step->pattern, at, end, &start, &stop));
    return text_append(out, at, (size_t)(end - at));
}

static bool is_white(uint32_t point)
{
    return unicode_properties(point) & UNICODE_WHITESPACE;
}

static void strip(const struct step *step, const char **text, size_t *length)
{
    const char *at = *text, *end = at + *length;
    while (step->strips_left && at < end) {
        const char *next = at;
        if (!is_white(utf8_decode(&next, end)))
            break;
        at = next;
    }
    while (step->strips_right && at < end) {
        uint32_t point = utf8_decode_last(at, end);
        if (!is_white(point))
            break;
        char bytes[4];
        end -= utf8_encode(bytes, point) - bytes;
    }
    *text = at;
    *length = (size_t)(end - at);
}

/* One step: *text and *length become the result, which `out` has where the text changed. */
static bool apply_step(const struct step *step, const char **text, size_t *length, struct text_buffer *out)
{
    const char *at = *text, *end = at + *length, *start, *stop;
    bool fits;
    out->length = 0;
    switch (step->kind) {
    case STEP_BERT:
        fits = apply_bert(step, at, *length, out);
        break;
    case STEP_FORM:
        if (is_ascii(at, *length))
            return true;
        fits = normal_form_apply(step->form, at, *length, out);
        break;
    case STEP_LOWERCASE:
        fits = lowercase(at, *length, out);
        break;
    case STEP_STRIP_ACCENTS:
        if (is_ascii(at, *length))
            return true;
        fits = strip_accents(at, *length, out);
        break;
    case STEP_STRIP:
        strip(step, text, length);
        return true;
    case STEP_REPLACE:
        if (!pattern_next(&step->pattern, at, end, &start, &stop))
            return true;
        fits = replace(step, at, end, start, stop, out);
        break;
    case STEP_PREPEND:
        fits = text_append(out, step->content, *length ? step->content_length : 0) &&
               text_append(out, at, *length);
        break;
    case STEP_NMT:
        fits = nmt(at, *length, out);
        break;
    default:
        fits = charsmap_apply(&step->charsmap, at, *length, out);
    }
    *text = out->bytes;
    *length = out->length;
    return fits;
}

/* Whether nothing is left of the text's first character, by the package's account of what comes from where:
 * it loses count of what a charsmap takes away at the start. */
static bool drops_front(const struct step *step, const char *text, size_t length)
{
    const char *next = text, *start, *stop;
    uint32_t point = utf8_decode(&next, text + length);
    unsigned properties = unicode_properties(point);
    switch (step->kind) {
    case STEP_BERT:
        return (step->bert.clean_text && properties & UNICODE_REMOVED) ||
               (step->bert.strip_accents && properties & UNICODE_MARK);
    case STEP_STRIP_ACCENTS:
        return unicode_kinds(point) & UNICODE_COMBINING;
    case STEP_STRIP:
        return step->strips_left && is_white(point);
    case STEP_NMT:
        return nmt_drops(point);
    case STEP_REPLACE:
        return step->content_length == 0 &&
               pattern_next(&step->pattern, text, text + length, &start, &stop) && start == text;
    default:
        return false;
    }
}

bool normalizer_apply(const struct normalizer *normalizer, struct normalizing *normalizing, const char **text,
                      size_t *length)
{
    size_t next = 0;
    normalizing->dropped_front = false;
    for (size_t i = 0; i<normalizer->count && * length> 0; i++) {
        struct text_buffer *out = &normalizing->buffers[next];
        if (drops_front(&normalizer->steps[i], *text, *length))
            normalizing->dropped_front = true;
        if (!apply_step(&normalizer->steps[i], text, length, out))
            return false;
        if (*text == out->bytes)
            next ^= 1;
    }
    return true;
}
