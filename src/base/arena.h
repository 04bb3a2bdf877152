/* Arenas: memory that is freed all at once.
 *
 * An arena hands out pieces of a few large chunks and takes them all back in arena_reset() (keeping up to
 * `keep` bytes for the next use) or arena_free(). A piece lives until then; there is no freeing of one piece.
 * The bytes of all chunks never exceed `limit`. Under AddressSanitizer what is not handed out is poisoned.
 * Threads: one at a time.
 */
#ifndef LINNET_BASE_ARENA_H
#define LINNET_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first; pieces come from the newest */
    size_t used;                /* bytes handed out of the newest chunk */
    size_t total;               /* bytes of all chunks */
    size_t next;                /* least size of the next chunk */
    size_t keep, limit;
    bool refused; /* a piece was since the last reset, for the limit's sake */
};

/* Allocates nothing yet. keep <= limit; a limit of SIZE_MAX is none. */
void arena_init(struct arena *arena, size_t keep, size_t limit);

/* Returns `size` uninitialised bytes aligned to `align` (a power of two, at most 64), or NULL when there is
 * no memory or the limit would be passed. A size of 0 gives a valid pointer to no bytes. */
void *arena_alloc_aligned(struct arena *arena, size_t size, size_t align);

/* The same, aligned for any object. */
void *arena_alloc(struct arena *arena, size_t size);

/* count * size zeroed bytes; NULL also when the product overflows. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* Moves a piece to a larger one (in place where it is the newest piece and fits). NULL leaves the old one
 * valid. */
void *arena_grow(struct arena *arena, void *piece, size_t old_size, size_t new_size);

/* A NUL-terminated copy of text[0..length). */
char *arena_strndup(struct arena *arena, const char *text, size_t length);

/* Takes back every piece. After work of the same size was done twice, doing it again allocates nothing, as
 * long as it needs at most `keep` bytes. */
void arena_reset(struct arena *arena);

/* Gives all memory back to the system; the arena is as after arena_init(). */
void arena_free(struct arena *arena);

#endif
