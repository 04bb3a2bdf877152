/* Input lines: from a file or stdin to texts, one at a time, with numbers for messages. */
#ifndef LINNET_CLI_LINES_H
#define LINNET_CLI_LINES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "engine/engine.h"

struct lines {
    int fd;
    const char *name; /* for messages */
    bool jsonl;       /* lines are JSON objects with "text" and perhaps "text_pair" */
    char *buffer;     /* [capacity], filled from begin to end */
    size_t begin, end, capacity;
    size_t dropped; /* bytes of the line being read, which is too long to be kept */
    bool at_end;
    size_t number;        /* of the line last read, from 1 */
    yyjson_val *object;   /* with jsonl the line last read, in the arena it was read into */
    uint64_t bytes_read;  /* of whole lines */
    uint64_t total_bytes; /* of a regular file; 0 where it is not known */
};

/* `file` NULL is stdin; `format` is "lines" or "jsonl". On success lines_close(). */
bool lines_open(struct lines *lines, const char *file, const char *format, struct error *err);
void lines_close(struct lines *lines);

enum line_result {
    LINE_TEXT,
    LINE_BAD, /* err says why; the next call goes on with the next line */
    LINE_END,
    LINE_BROKEN /* reading failed: err */
};

/* Reads the next line into *out, whose bytes lie in `arena`. Blank lines of JSONL are passed over. */
enum line_result lines_next(struct lines *lines, struct arena *arena, struct input *out, struct error *err);

/* Whether lines_next() would have to wait for a slow writer. */
bool lines_would_block(const struct lines *lines);

#endif
