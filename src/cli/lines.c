#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utf8.h"

enum {
    READ_SIZE = 256 << 10,
    /* A longer line is no text for a model of a few hundred tokens, but a file without line ends. */
    MAX_LINE = 16 << 20,
    LINE_DEPTH = 16,
};

bool lines_open(struct lines *lines, const char *file, const char *format, struct error *err)
{
    *lines = (struct lines){.name = file ? file : "standard input"};
    lines->jsonl = strcmp(format, "jsonl") == 0;
    if (!lines->jsonl && strcmp(format, "lines") != 0)
        return error_set(err, ERR_USAGE, "--input is \"%.40s\", want lines or jsonl", format);
    lines->fd = file ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (lines->fd < 0)
        return error_set_errno(err, errno, "%s", file);
    struct stat info;
    if (fstat(lines->fd, &info) == 0 && S_ISREG(info.st_mode))
        lines->total_bytes = (uint64_t)info.st_size;
    lines->capacity = READ_SIZE;
    lines->buffer = malloc(lines->capacity);
    if (lines->buffer)
        return true;
    lines_close(lines);
    return error_set(err, ERR_NO_MEMORY, "no memory to read %s", lines->name);
}

void lines_close(struct lines *lines)
{
    free(lines->buffer);
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
}

/* Makes room and reads once. False only where reading failed. A buffer that is full already holds a line that
 * is too long: its bytes are dropped as they come, up to the last, so that the line is still known to be
 * there. */
static bool fill(struct lines *lines, struct error *err)
{
    if (lines->begin > 0) {
        memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end == lines->capacity && lines->capacity <= MAX_LINE) {
        char *larger = realloc(lines->buffer, lines->capacity * 2);
        if (!larger)
            return error_set(err, ERR_NO_MEMORY, "%s: no memory for line %zu", lines->name,
                             lines->number + 1);
        lines->buffer = larger;
        lines->capacity *= 2;
    }
    if (lines->end == lines->capacity) {
        lines->dropped += lines->end - (MAX_LINE + 1);
        lines->end = MAX_LINE + 1;
    }
    ssize_t got;
    do
        got = read(lines->fd, lines->buffer + lines->end, lines->capacity - lines->end);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set_errno(err, errno, "reading %s", lines->name);
    lines->end += (size_t)got;
    lines->at_end = got == 0;
    return true;
}

/* The next line without its end, as a view of the buffer; one that is too long is cut to more than MAX_LINE
 * bytes. */
static enum line_result next_raw(struct lines *lines, char **text, size_t *length, struct error *err)
{
    size_t searched = 0;
    for (;;) {
        char *start = lines->buffer + lines->begin;
        char *newline = memchr(start + searched, '\n', lines->end - lines->begin - searched);
        size_t left = lines->end - lines->begin;
        if (!newline && !lines->at_end) {
            searched = left > MAX_LINE ? MAX_LINE + 1 : left;
            if (!fill(lines, err))
                return LINE_BROKEN;
            continue;
        }
        if (!newline && left == 0)
            return LINE_END;
        size_t used = newline ? (size_t)(newline - start) + 1 : left;
        *text = start;
        *length = newline ? used - 1 : used;
        lines->begin += used;
        lines->bytes_read += used + lines->dropped;
        lines->number++;
        return LINE_TEXT;
    }
}

/* A view of a string, which lives in the arena as its document does. */
static bool view_string(yyjson_val *object, const char *key, const char **text, size_t *length,
                        struct error *err)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_str(value))
        return error_set(err, ERR_BAD_INPUT, "the field \"%s\" is %s, want a string", key,
                         value ? json_type_words(value) : "missing");
    *length = yyjson_get_len(value);
    *text = yyjson_get_str(value);
    return true;
}

static bool read_object(struct lines *lines, const char *line, size_t length, struct arena *arena,
                        struct input *out, struct error *err)
{
    yyjson_doc *doc = json_read(line, length, LINE_DEPTH, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!doc)
        return false;
    if (!yyjson_is_obj(root))
        return error_set(err, ERR_BAD_INPUT, "the line is %s, want an object with \"text\"",
                         json_type_words(root));
    lines->object = root;
    if (!view_string(root, "text", &out->text, &out->text_length, err))
        return false;
    yyjson_val *pair = yyjson_obj_get(root, "text_pair");
    return !pair || yyjson_is_null(pair) ||
           view_string(root, "text_pair", &out->pair, &out->pair_length, err);
}

static bool read_plain(const char *line, size_t length, struct arena *arena, struct input *out,
                       struct error *err)
{
    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (!utf8_valid(line, length))
        return error_set(err, ERR_BAD_INPUT, "the line is not valid UTF-8");
    out->text = arena_strndup(arena, line, length);
    out->text_length = length;
    return out->text || error_set(err, ERR_NO_MEMORY, "no memory for a line of %zu bytes", length);
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!strchr(" \t\r", line[i]) || line[i] == '\0')
            return false;
    return true;
}

enum line_result lines_next(struct lines *lines, struct arena *arena, struct input *out, struct error *err)
{
    char *line;
    size_t length;
    enum line_result result;
    do
        result = next_raw(lines, &line, &length, err);
    while (result == LINE_TEXT && lines->jsonl && is_blank(line, length));
    if (result != LINE_TEXT)
        return result;
    *out = (struct input){0};
    if (length > MAX_LINE) {
        error_set(err, ERR_BAD_INPUT, "the line has %zu bytes, at most %d are taken", length + lines->dropped,
                  MAX_LINE);
        lines->dropped = 0;
        return LINE_BAD;
    }
    bool read = lines->jsonl ? read_object(lines, line, length, arena, out, err)
                             : read_plain(line, length, arena, out, err);
    return read ? LINE_TEXT : LINE_BAD;
}

bool lines_would_block(const struct lines *lines)
{
    struct pollfd poll_fd = {.fd = lines->fd, .events = POLLIN};
    if (lines->at_end || memchr(lines->buffer + lines->begin, '\n', lines->end - lines->begin))
        return false;
    return poll(&poll_fd, 1, 0) == 0;
}
