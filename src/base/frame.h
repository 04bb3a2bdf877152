/* Frames: messages with a type and a length over a stream socket between two processes of this program.
 *
 * A frame is a header of 12 bytes and its payload. The header: "LNF" and the protocol's version (a byte), the
 * type, the payload's length in bytes; both numbers 32 bits, little-endian. docs/ffi.md says which types
 * there are and what they carry. A frame is written and read whole, or not at all: after any failure the
 * stream is of no further use. Threads: one reader and one writer at a time. The socket may block or not.
 */
#ifndef LINNET_BASE_FRAME_H
#define LINNET_BASE_FRAME_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { FRAME_PROTOCOL = 1, FRAME_HEADER_SIZE = 12, FRAME_MAX_PAYLOAD = 256 << 20 };

enum frame_type {
    FRAME_LOAD = 1, /* server to worker, the rest of a pair in the other direction */
    FRAME_HELLO,
    FRAME_READY,
    FRAME_FAILED,
    FRAME_BATCH, /* server to worker */
    FRAME_RESULTS,
};

/* Writes a frame before the clock (clock_ns()) passes `deadline_ns`; 0: no deadline. False: ERR_DEADLINE,
 * ERR_TOO_LONG (past FRAME_MAX_PAYLOAD; nothing was written), ERR_IO (the other side is gone). */
bool frame_write(int fd, enum frame_type type, const void *payload, size_t length, uint64_t deadline_ns,
                 struct error *err);

/* Reads one frame; *payload is replaced by its payload. False: ERR_DEADLINE, ERR_NO_MEMORY, ERR_IO (the other
 * side is gone, or what came is no frame of this version). */
bool frame_read(int fd, enum frame_type *type, struct buf *payload, uint64_t deadline_ns, struct error *err);

#endif
