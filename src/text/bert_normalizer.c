#include "text/bert_normalizer.h"

#include <stdint.h>
#include <string.h>

#include "text/unicode.h"

/* Where the output stands. [run, at) is what was written since the last starter: marks with a combining
 * class, kept in order of class (canonical ordering, The Unicode Standard 3.11) by sort_run() once the run is
 * whole. */
struct writer {
    char *at, *run;
    uint64_t classes;    /* bit c: the run has a mark of rank c */
    unsigned last_class; /* of the run's last mark; 0 where the run is empty */
    bool disordered;
    struct arena *scratch;
};

/* A pass for each class there is keeps the order of equal classes and the cost linear in the run's length. */
static bool sort_run(struct writer *writer)
{
    size_t length = (size_t)(writer->at - writer->run);
    char *copy = arena_alloc(writer->scratch, length);
    if (!copy)
        return false;
    memcpy(copy, writer->run, length);
    char *out = writer->run;
    for (uint64_t left = writer->classes; left; left &= left - 1) {
        unsigned class = (unsigned)__builtin_ctzll(left);
        for (const char *at = copy; at < copy + length;) {
            uint32_t point = utf8_decode(&at, copy + length);
            if (unicode_class(point) == class)
                out = utf8_encode(out, point);
        }
    }
    return true;
}

static bool end_run(struct writer *writer)
{
    bool sorted = !writer->disordered || sort_run(writer);
    writer->classes = 0;
    writer->last_class = 0;
    writer->disordered = false;
    return sorted;
}

static void write_cased(struct writer *writer, uint32_t point, bool lowercase)
{
    uint32_t lower[UNICODE_MAX_LOWER];
    size_t count = 1;
    lower[0] = point;
    if (lowercase)
        count = unicode_lower(point, lower);
    for (size_t i = 0; i < count; i++)
        writer->at = utf8_encode(writer->at, lower[i]);
}

/* Decomposes `point`, drops its marks, and writes the rest in canonical order. No character with a combining
 * class has a lower case of its own, so casing does not disturb the order. */
static bool write_stripped(struct writer *writer, uint32_t point, bool lowercase)
{
    uint32_t parts[UNICODE_MAX_DECOMPOSITION];
    size_t count = unicode_decompose(point, parts);
    for (size_t i = 0; i < count; i++) {
        unsigned properties = unicode_properties(parts[i]);
        unsigned class = properties >> UNICODE_CLASS_SHIFT;
        if (class == 0 && !end_run(writer))
            return false;
        if (properties & UNICODE_MARK)
            continue;
        if (class != 0) {
            if (writer->last_class == 0)
                writer->run = writer->at;
            writer->disordered |= class < writer->last_class;
            writer->classes |= (uint64_t)1 << class;
            writer->last_class = class;
        }
        write_cased(writer, parts[i], lowercase);
    }
    return true;
}

static bool write_point(const struct bert_normalizer *normalizer, struct writer *writer, uint32_t point)
{
    unsigned properties = unicode_properties(point);
    if (normalizer->clean_text && properties & UNICODE_REMOVED)
        return true;
    if (normalizer->clean_text && properties & UNICODE_SPACE)
        point = ' ';
    bool spaced = normalizer->handle_chinese_chars && properties & UNICODE_CHINESE;
    if (spaced) {
        if (!end_run(writer))
            return false;
        *writer->at++ = ' ';
    }
    if (!normalizer->strip_accents)
        write_cased(writer, point, normalizer->lowercase);
    else if (!write_stripped(writer, point, normalizer->lowercase))
        return false;
    if (spaced) {
        if (!end_run(writer))
            return false;
        *writer->at++ = ' ';
    }
    return true;
}

/* A printable ASCII byte or a space: what most text is, and no option but lowercase changes. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7F;
}

size_t bert_normalizer_bound(size_t length)
{
    return length * UNICODE_MAX_GROWTH;
}

bool bert_normalizer_apply(const struct bert_normalizer *normalizer, const char *text, size_t length,
                           char *out, size_t *out_length, struct arena *scratch)
{
    struct writer writer = {.at = out, .run = out, .scratch = scratch};
    const unsigned char lower_bit = normalizer->lowercase ? 0x20 : 0;
    const char *end = text + length;
    while (text < end) {
        if (is_plain((unsigned char)*text)) {
            if (writer.last_class && !end_run(&writer))
                return false;
            char *at = writer.at;
            for (; text < end && is_plain((unsigned char)*text); text++) {
                unsigned char byte = (unsigned char)*text;
                unsigned char upper = (unsigned char)(byte - 'A') < 26;
                *at++ = (char)(byte | (upper ? lower_bit : 0));
            }
            writer.at = at;
            continue;
        }
        uint32_t point = utf8_decode(&text, end);
        if (!write_point(normalizer, &writer, point))
            return false;
    }
    if (!end_run(&writer))
        return false;
    *out_length = (size_t)(writer.at - out);
    return true;
}
