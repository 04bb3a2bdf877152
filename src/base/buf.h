/* Growable byte buffers.
 *
 * Invariants: bytes[length] is always NUL once anything was appended, so bytes is a C string where the
 * content has no NUL of its own. A failed allocation, or passing the limit, sets `failed`, and every later
 * append does nothing: build the whole text, then ask buf_ok() once. Threads: one at a time.
 */
#ifndef LINNET_BASE_BUF_H
#define LINNET_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *bytes; /* malloc'd; NULL while nothing was appended */
    size_t length, capacity;
    size_t limit; /* of length; 0: none */
    bool failed;
    bool overfull; /* failed, for the limit's sake */
};

void buf_init(struct buf *buf);
void buf_init_limited(struct buf *buf, size_t limit);
void buf_free(struct buf *buf); /* as after buf_init() */

/* Empties without giving memory back. */
void buf_clear(struct buf *buf);

/* Makes room for `more` bytes past length; false (and failed) when there is no memory, or the limit would
 * be passed. */
bool buf_reserve(struct buf *buf, size_t more);

void buf_append(struct buf *buf, const void *bytes, size_t length);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool buf_ok(const struct buf *buf)
{
    return !buf->failed;
}

#endif
