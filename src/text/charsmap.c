#include "text/charsmap.h"

#include "base/utf8.h"
#include "text/unicode.h"

/* The package looks up whole clusters below this many bytes. */
enum { CLUSTER_LIMIT = 6 };

static const uint32_t ZERO_WIDTH_JOINER = 0x200D;

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, 4. Returns the number of bytes, or SIZE_MAX for what is no base64. */
static size_t decode_base64(const char *text, size_t length, unsigned char *out)
{
    size_t count = 0;
    if (length % 4 != 0)
        return SIZE_MAX;
    for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
        length--;
    uint32_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return SIZE_MAX;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 > 0)
            out[count++] = (unsigned char)(bits >> (6 - i % 4 * 2));
    }
    return length % 4 == 1 ? SIZE_MAX : count;
}

bool charsmap_find(const struct charsmap *map, const char *text, size_t length, const char **found)
{
    size_t at = 0;
    uint32_t unit = map->units[0];
    for (size_t i = 0; i <= length; i++) {
        /* darts-clone: bits 10 to 30 are an offset, of 256 units each where bit 9 is set. */
        at ^= (size_t)(unit >> 10 & 0x1FFFFF) << (unit >> 6 & 8);
        if (i > 0 && unit >> 8 & 1) {
            size_t offset = at < map->unit_count ? map->units[at] & 0x7FFFFFFF : SIZE_MAX;
            *found = map->texts + offset;
            return offset < map->texts_length && ((unsigned char)**found & 0xC0) != 0x80;
        }
        if (i == length || text[i] == '\0')
            return false;
        at ^= (unsigned char)text[i];
        if (at >= map->unit_count)
            return false;
        unit = map->units[at];
        if ((unit & 0x800000FF) != (unsigned char)text[i])
            return false;
    }
    return false;
}

bool charsmap_read(struct charsmap *map, const char *base64, size_t length, struct arena *arena,
                   struct error *err)
{
    unsigned char *bytes = arena_alloc(arena, length);
    if (!bytes)
        return error_set(err, ERR_NO_MEMORY, "no memory for the tokenizer's charsmap");
    size_t size = decode_base64(base64, length, bytes);
    if (size == SIZE_MAX)
        return error_set(err, ERR_BAD_MODEL, "tokenizer.json: the precompiled_charsmap is not base64");
    uint32_t trie_size = 0;
    if (size >= 4)
        trie_size = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                    (uint32_t)bytes[3] << 24;
    if (trie_size < 4 || trie_size % 4 != 0 || trie_size > size - 4)
        return error_set(
            err, ERR_BAD_MODEL,
            "tokenizer.json: the precompiled_charsmap has %zu bytes and says that %u of them are "
            "its trie",
            size, trie_size);
    uint32_t *units = arena_alloc(arena, trie_size);
    *map = (struct charsmap){.unit_count = trie_size / 4, .texts_length = size - 4 - trie_size};
    map->texts = arena_strndup(arena, (const char *)bytes + 4 + trie_size, map->texts_length);
    if (!units || !map->texts)
        return error_set(err, ERR_NO_MEMORY, "no memory for the tokenizer's charsmap");
    if (!utf8_valid(map->texts, map->texts_length))
        return error_set(err, ERR_BAD_MODEL,
                         "tokenizer.json: the precompiled_charsmap has text that is not UTF-8");
    for (size_t i = 0; i < map->unit_count; i++) {
        const unsigned char *unit = bytes + 4 + i * 4;
        units[i] =
            (uint32_t)unit[0] | (uint32_t)unit[1] << 8 | (uint32_t)unit[2] << 16 | (uint32_t)unit[3] << 24;
    }
    map->units = units;
    for (int byte = 0; byte < 128; byte++) {
        const char text = (char)byte, *found;
        map->plain[byte] = byte != '\r' && !charsmap_find(map, &text, 1, &found);
    }
    return true;
}

/* What a cluster's end depends on (Unicode Standard Annex 29, 3.1.1) besides the character before it. */
struct cluster {
    enum grapheme last;
    bool pictograph, joined; /* GB11: \p{ExtPict} Extend*, then ZWJ */
    bool consonant, linked;  /* GB9c: a consonant, then a linker behind it */
};

static bool hangul_joins(enum grapheme first, enum grapheme second)
{
    switch (first) {
    case GRAPHEME_L:
        return second == GRAPHEME_L || second == GRAPHEME_V || second == GRAPHEME_LV ||
               second == GRAPHEME_LVT;
    case GRAPHEME_LV:
    case GRAPHEME_V:
        return second == GRAPHEME_V || second == GRAPHEME_T;
    case GRAPHEME_LVT:
    case GRAPHEME_T:
        return second == GRAPHEME_T;
    default:
        return false;
    }
}

static bool cluster_joins(const struct cluster *cluster, unsigned kinds)
{
    enum grapheme next = unicode_grapheme(kinds);
    if (cluster->last == GRAPHEME_CONTROL || next == GRAPHEME_CONTROL)
        return false;
    return next == GRAPHEME_EXTEND || next == GRAPHEME_SPACING_MARK || cluster->last == GRAPHEME_PREPEND ||
           hangul_joins(cluster->last, next) || (cluster->joined && kinds & UNICODE_PICTOGRAPHIC) ||
           (cluster->linked && kinds & UNICODE_CONSONANT);
}

static void cluster_add(struct cluster *cluster, uint32_t point, unsigned kinds)
{
    bool is_joiner = point == ZERO_WIDTH_JOINER;
    cluster->last = unicode_grapheme(kinds);
    cluster->joined = cluster->pictograph && is_joiner;
    cluster->pictograph = kinds & UNICODE_PICTOGRAPHIC ||
                          (cluster->pictograph && cluster->last == GRAPHEME_EXTEND && !is_joiner);
    if (kinds & UNICODE_CONSONANT) {
        cluster->consonant = true;
        cluster->linked = false;
    } else if (cluster->consonant && kinds & UNICODE_LINKER) {
        cluster->linked = true;
    } else if (!(kinds & UNICODE_CONJUNCT_EXTEND)) {
        cluster->consonant = cluster->linked = false;
    }
}

/* Regional indicators are clusters of their own here: of four bytes each, no two are looked up together
 * anyway. */
const char *charsmap_cluster_end(const char *at, const char *end)
{
    struct cluster cluster = {0};
    const char *next = at;
    uint32_t point = utf8_decode(&next, end);
    if (point == '\r')
        return next < end && *next == '\n' ? next + 1 : next;
    cluster_add(&cluster, point, unicode_kinds(point));
    while (next < end) {
        at = next;
        point = utf8_decode(&next, end);
        unsigned kinds = unicode_kinds(point);
        if (!cluster_joins(&cluster, kinds))
            return at;
        cluster_add(&cluster, point, kinds);
    }
    return next;
}

bool charsmap_find_cluster(const struct charsmap *map, const char *at, const char *stop, const char **found)
{
    return stop - at < CLUSTER_LIMIT && charsmap_find(map, at, (size_t)(stop - at), found);
}

static bool apply_cluster(const struct charsmap *map, const char *at, const char *stop,
                          struct text_buffer *out)
{
    const char *found;
    if (charsmap_find_cluster(map, at, stop, &found))
        return text_append(out, found, strlen(found));
    while (at < stop) {
        const char *next = at;
        utf8_decode(&next, stop);
        bool fits = charsmap_find(map, at, (size_t)(next - at), &found)
                        ? text_append(out, found, strlen(found))
                        : text_append(out, at, (size_t)(next - at));
        if (!fits)
            return false;
        at = next;
    }
    return true;
}

bool charsmap_apply(const struct charsmap *map, const char *text, size_t length, struct text_buffer *out)
{
    const char *at = text, *end = text + length;
    while (at < end) {
        const char *start = at;
        while (at < end && (unsigned char)*at < 0x80 && map->plain[(unsigned char)*at])
            at++;
        /* What follows may join the last of them. */
        if (at < end && at > start && (unsigned char)*at >= 0x80)
            at--;
        if (!text_append(out, start, (size_t)(at - start)))
            return false;
        if (at == end)
            return true;
        const char *stop = charsmap_cluster_end(at, end);
        if (!apply_cluster(map, at, stop, out))
            return false;
        at = stop;
    }
    return true;
}
