/* Growable arrays of an arena that are used again and again during one encode. Threads: one at a time. */
#ifndef LINNET_TEXT_TEXT_BUFFER_H
#define LINNET_TEXT_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

/* Bytes. Zeroed but for `arena`, it is empty. */
struct text_buffer {
    char *bytes;
    size_t length, capacity;
    struct arena *arena;
};

/* Makes room for `more` bytes past length. False: no memory. */
static inline bool text_reserve(struct text_buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->length)
        return true;
    size_t capacity = buffer->capacity + buffer->capacity / 2 + more + 64;
    if (more > SIZE_MAX / 4 || buffer->capacity > SIZE_MAX / 4)
        return false;
    char *bytes = buffer->bytes ? arena_grow(buffer->arena, buffer->bytes, buffer->capacity, capacity)
                                : arena_alloc_aligned(buffer->arena, capacity, 1);
    if (!bytes)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

static inline bool text_append(struct text_buffer *buffer, const char *text, size_t length)
{
    if (!text_reserve(buffer, length))
        return false;
    if (length)
        memcpy(buffer->bytes + buffer->length, text, length);
    buffer->length += length;
    return true;
}

/* A stretch of a text: bytes [start, end). */
struct span {
    uint32_t start, end;
};

/* Where a token came from. */
struct origin {
    struct span span; /* of its word, where a model writes it; then of the text as it came */
    int32_t word;     /* the word's number in its text */
    /* White space that the token itself has at its ends, in characters: what trimming offsets takes away. */
    uint32_t leading, trailing;
};

/* Token ids. Zeroed but for `arena` and `tracks`, it is empty. */
struct id_buffer {
    int32_t *ids;           /* [count] of capacity */
    struct origin *origins; /* the same, where `tracks` */
    bool tracks;            /* models say which bytes of the word a token stands for */
    size_t count, capacity;
    struct arena *arena;
};

static inline bool ids_reserve(struct id_buffer *buffer, size_t more)
{
    if (buffer->ids && more <= buffer->capacity - buffer->count)
        return true;
    size_t capacity = buffer->capacity + buffer->capacity / 2 + more;
    if (more > SIZE_MAX / 16 || buffer->capacity > SIZE_MAX / 16)
        return false;
    int32_t *ids = buffer->ids ? arena_grow(buffer->arena, buffer->ids, buffer->capacity * sizeof *ids,
                                            capacity * sizeof *ids)
                               : arena_alloc(buffer->arena, capacity * sizeof *ids);
    if (!ids)
        return false;
    buffer->ids = ids;
    if (buffer->tracks) {
        struct origin *origins = arena_alloc(buffer->arena, capacity * sizeof *origins);
        if (!origins)
            return false;
        if (buffer->count)
            memcpy(origins, buffer->origins, buffer->count * sizeof *origins);
        buffer->origins = origins;
    }
    buffer->capacity = capacity;
    return true;
}

static inline bool ids_add(struct id_buffer *buffer, int32_t id)
{
    if (!ids_reserve(buffer, 1))
        return false;
    buffer->ids[buffer->count++] = id;
    return true;
}

/* A token that stands for the bytes [start, end) of its word. */
static inline bool ids_add_from(struct id_buffer *buffer, int32_t id, size_t start, size_t end)
{
    if (!ids_add(buffer, id))
        return false;
    if (buffer->tracks)
        buffer->origins[buffer->count - 1] = (struct origin){.span = {(uint32_t)start, (uint32_t)end}};
    return true;
}

#endif
