/* Whole files as read-only bytes in memory.
 *
 * A blob is a view of bytes that someone else keeps: a mapped file, or an object linked into the executable.
 */
#ifndef LINNET_BASE_FILE_H
#define LINNET_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct blob {
    const unsigned char *bytes; /* NULL: absent */
    size_t size;
};

/* Maps a regular file read-only. An empty file gives size 0 and a non-NULL pointer.
 * The map stays valid after the file is replaced by rename, not after it is truncated: a read past the new
 * end is a SIGBUS, so write models beside and rename. On success release it with file_unmap(). Any thread. */
bool file_map(const char *path, struct blob *out, struct error *err);
void file_unmap(struct blob *blob); /* an absent blob is fine; leaves *blob absent */

/* Tells the system that the pages of a blob of never-written bytes may leave memory; they come back from the
 * file when read. Only advice: nothing changes but the resident size. */
void blob_drop_pages(struct blob blob);

bool file_exists(const char *path);

#endif
