#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum { CHUNK_ALIGN = 64, FIRST_CHUNK = 4096 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of data */
    _Alignas(CHUNK_ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena, size_t keep, size_t limit)
{
    *arena = (struct arena){.keep = keep, .limit = limit};
}

/* A chunk of at least `size` bytes; each is about as large as all before it, so that their number stays
 * small. */
static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t room = arena->limit - arena->total;
    if (size > room) {
        arena->refused = true;
        return NULL;
    }
    size_t wanted = arena->total < FIRST_CHUNK ? FIRST_CHUNK : arena->total;
    if (wanted < arena->next)
        wanted = arena->next;
    if (wanted < size)
        wanted = size;
    arena->next = 0;
    if (wanted > room)
        wanted = size;
    if (wanted > SIZE_MAX - sizeof(struct arena_chunk) - CHUNK_ALIGN)
        return NULL;
    size_t bytes = (sizeof(struct arena_chunk) + wanted + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN;
    struct arena_chunk *chunk = aligned_alloc(CHUNK_ALIGN, bytes);
    if (!chunk)
        return NULL;
    chunk->older = arena->chunks;
    chunk->size = wanted;
    ASAN_POISON_MEMORY_REGION(chunk->data, chunk->size);
    arena->chunks = chunk;
    arena->used = 0;
    arena->total += wanted;
    return chunk;
}

void *arena_alloc_aligned(struct arena *arena, size_t size, size_t align)
{
    struct arena_chunk *chunk = arena->chunks;
    size_t start = (arena->used + align - 1) & ~(align - 1);
    if (!chunk || start > chunk->size || size > chunk->size - start) {
        chunk = add_chunk(arena, size ? size : 1);
        if (!chunk)
            return NULL;
        start = 0;
    }
    arena->used = start + size;
    ASAN_UNPOISON_MEMORY_REGION(chunk->data + start, size);
    return chunk->data + start;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return arena_alloc_aligned(arena, size, _Alignof(max_align_t));
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *piece = arena_alloc(arena, count * size);
    if (piece)
        memset(piece, 0, count * size);
    return piece;
}

void *arena_grow(struct arena *arena, void *piece, size_t old_size, size_t new_size)
{
    struct arena_chunk *chunk = arena->chunks;
    unsigned char *bytes = piece;
    if (bytes && chunk && bytes + old_size == chunk->data + arena->used) {
        size_t start = (size_t)(bytes - chunk->data);
        if (new_size <= chunk->size - start) {
            arena->used = start + new_size;
            ASAN_UNPOISON_MEMORY_REGION(bytes, new_size);
            return piece;
        }
    }
    void *moved = arena_alloc(arena, new_size);
    if (moved && piece && old_size)
        memcpy(moved, piece, old_size < new_size ? old_size : new_size);
    return moved;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (!copy)
        return NULL;
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *older = chunk->older;
        ASAN_UNPOISON_MEMORY_REGION(chunk->data, chunk->size);
        free(chunk);
        chunk = older;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *newest = arena->chunks;
    arena->refused = false;
    if (!newest)
        return;
    if (newest->older || newest->size > arena->keep) {
        /* Several chunks become one of their size at the next use, so that equal work soon allocates nothing.
         */
        size_t next = arena->total < arena->keep ? arena->total : arena->keep;
        arena_free(arena);
        arena->next = next;
        return;
    }
    arena->used = 0;
    ASAN_POISON_MEMORY_REGION(newest->data, newest->size);
}

void arena_free(struct arena *arena)
{
    free_chunks(arena->chunks);
    arena->chunks = NULL;
    arena->used = arena->total = arena->next = 0;
    arena->refused = false;
}
