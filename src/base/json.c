#include "base/json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/utf8.h"

static void *alc_malloc(void *context, size_t size)
{
    return arena_alloc(context, size);
}

static void *alc_realloc(void *context, void *piece, size_t old_size, size_t size)
{
    return arena_grow(context, piece, old_size, size);
}

static void alc_free(void *context, void *piece)
{
    (void)context;
    (void)piece;
}

/* Where byte `position` of the text stands, both from 1; columns count characters. */
static void locate(const char *bytes, size_t length, size_t position, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < position && i < length; i++) {
        if (bytes[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)bytes[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

static yyjson_doc *fail_at(const char *bytes, size_t length, size_t position, const char *what,
                           struct error *err)
{
    size_t line, column;
    locate(bytes, length, position, &line, &column);
    error_set(err, ERR_BAD_JSON, "invalid JSON at line %zu column %zu: %s", line, column, what);
    return NULL;
}

/* The byte where nesting passes the limit, or `length`. Runs before the parser, whose values would take 16
 * bytes for each bracket, and so that everything after may recurse. */
static size_t find_too_deep(const char *bytes, size_t length, unsigned max_depth)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_depth)
                return i;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return length;
}

static int compare_keys(const void *left, const void *right)
{
    yyjson_val *a = *(yyjson_val *const *)left, *b = *(yyjson_val *const *)right;
    size_t a_length = yyjson_get_len(a), b_length = yyjson_get_len(b);
    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return memcmp(yyjson_get_str(a), yyjson_get_str(b), a_length);
}

static bool same_key(yyjson_val *a, yyjson_val *b)
{
    return yyjson_get_len(a) == yyjson_get_len(b) &&
           memcmp(yyjson_get_str(a), yyjson_get_str(b), yyjson_get_len(a)) == 0;
}

static size_t hash_key(yyjson_val *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    const char *text = yyjson_get_str(key);
    for (size_t i = 0, length = yyjson_get_len(key); i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32);
}

/* Looks for a key that stands twice in keys[0..count) with a hash table; false when it gave up, because so
 * many keys fall on each other that the search would be quadratic: a text can be made so. */
static bool find_duplicate_hashed(yyjson_val **keys, size_t count, yyjson_val **table, size_t mask,
                                  yyjson_val **duplicate)
{
    size_t steps_left = 8 * count;
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_key(keys[i]) & mask;
        for (; table[at]; at = (at + 1) & mask) {
            if (same_key(table[at], keys[i])) {
                *duplicate = keys[i];
                return true;
            }
            if (steps_left-- == 0)
                return false;
        }
        table[at] = keys[i];
    }
    return true;
}

/* A key that stands twice in keys[0..count), whose order is not kept, in *duplicate; false when there is no
 * memory. */
static bool find_duplicate_in(yyjson_val **keys, size_t count, yyjson_val **duplicate, struct arena *arena)
{
    size_t slots = 4;
    while (slots < count * 2)
        slots *= 2;
    yyjson_val **table = arena_calloc(arena, slots, sizeof *table);
    if (!table)
        return false;
    if (find_duplicate_hashed(keys, count, table, slots - 1, duplicate))
        return true;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count && !*duplicate; i++)
        if (same_key(keys[i - 1], keys[i]))
            *duplicate = keys[i];
    return true;
}

/* The first key that an object below `value` has twice, in *duplicate; false when there is no memory to
 * look. */
static bool find_duplicate_key(yyjson_val *value, yyjson_val **duplicate, struct arena *arena)
{
    size_t index, count;
    yyjson_val *key, *child;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach (value, index, count, child) {
            if (yyjson_is_ctn(child) && (!find_duplicate_key(child, duplicate, arena) || *duplicate))
                return *duplicate != NULL;
        }
        return true;
    }
    yyjson_obj_foreach (value, index, count, key, child) {
        if (yyjson_is_ctn(child) && (!find_duplicate_key(child, duplicate, arena) || *duplicate))
            return *duplicate != NULL;
    }
    size_t size = yyjson_obj_size(value);
    if (size < 2)
        return true;
    yyjson_val **keys = arena_alloc(arena, size * sizeof *keys);
    if (!keys)
        return false;
    yyjson_obj_foreach (value, index, count, key, child)
        keys[index] = key;
    return find_duplicate_in(keys, size, duplicate, arena);
}

yyjson_doc *json_read(const char *bytes, size_t length, unsigned max_depth, struct arena *arena,
                      struct error *err)
{
    size_t deep = find_too_deep(bytes, length, max_depth);
    if (deep < length) {
        char what[64];
        snprintf(what, sizeof what, "nested deeper than %u levels", max_depth);
        return fail_at(bytes, length, deep, what, err);
    }
    if (length == 0)
        return fail_at(bytes, length, 0, "the text is empty", err);
    const yyjson_alc allocator = {alc_malloc, alc_realloc, alc_free, arena};
    yyjson_read_err problem;
    /* Without YYJSON_READ_INSITU the parser copies the text, so the cast never writes. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)bytes, length, YYJSON_READ_NOFLAG, &allocator, &problem);
    if (!doc) {
        if (problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
            error_set(err, ERR_NO_MEMORY, "no memory to parse %zu bytes of JSON", length);
            return NULL;
        }
        return fail_at(bytes, length, problem.pos, problem.msg, err);
    }
    yyjson_val *root = yyjson_doc_get_root(doc), *duplicate = NULL;
    if (yyjson_is_ctn(root) && !find_duplicate_key(root, &duplicate, arena)) {
        error_set(err, ERR_NO_MEMORY, "no memory to check %zu bytes of JSON", length);
        return NULL;
    }
    if (duplicate) {
        error_set(err, ERR_BAD_JSON, "invalid JSON: the key \"%.100s\" stands twice in one object",
                  yyjson_get_str(duplicate));
        return NULL;
    }
    return doc;
}

static void put_escape(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_puts(out, "\\\"");
        break;
    case '\\':
        buf_puts(out, "\\\\");
        break;
    case '\n':
        buf_puts(out, "\\n");
        break;
    case '\r':
        buf_puts(out, "\\r");
        break;
    case '\t':
        buf_puts(out, "\\t");
        break;
    default:
        buf_printf(out, "\\u%04x", c);
    }
}

void json_put_string(struct buf *out, const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t start = 0, at = 0; /* [start, at) is copied as it is */
    buf_putc(out, '"');
    while (at < length) {
        unsigned char c = bytes[at];
        size_t sequence = utf8_sequence(bytes + at, length - at);
        if (sequence && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            at += sequence;
            continue;
        }
        buf_append(out, text + start, at - start);
        if (sequence)
            put_escape(out, c);
        else
            buf_puts(out, "\xEF\xBF\xBD");
        start = ++at;
    }
    buf_append(out, text + start, at - start);
    buf_putc(out, '"');
}

void json_put_field(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "\"%s\":", name);
    if (value)
        json_put_string(out, value, strlen(value));
    else
        buf_puts(out, "null");
    buf_putc(out, ',');
}

void json_put_float(struct buf *out, float value)
{
    if (!isfinite(value)) {
        buf_puts(out, "null");
        return;
    }
    char text[DECIMAL_SIZE];
    buf_append(out, text, decimal_put(value, text));
}

const char *json_type_words(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "a boolean";
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "a list";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "nothing";
    }
}

const char *json_value_words(yyjson_val *value, char out[JSON_WORDS_SIZE])
{
    if (yyjson_is_uint(value))
        snprintf(out, JSON_WORDS_SIZE, "%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_sint(value))
        snprintf(out, JSON_WORDS_SIZE, "%lld", (long long)yyjson_get_sint(value));
    else if (yyjson_is_real(value))
        snprintf(out, JSON_WORDS_SIZE, "%.10g", yyjson_get_real(value));
    else
        snprintf(out, JSON_WORDS_SIZE, "%s", json_type_words(value));
    return out;
}

char *json_write(yyjson_val *value, struct arena *arena, size_t *length)
{
    const yyjson_alc allocator = {alc_malloc, alc_realloc, alc_free, arena};
    return yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &allocator, length, NULL);
}
