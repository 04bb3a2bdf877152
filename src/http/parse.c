#include "http/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What one chunk may add to the wire besides its bytes before it counts as an extension: eight digits of
 * size, and two line ends. */
enum { CHUNK_FRAME = 12 };

bool parser_refuse(struct parser *parser, int status, const char *format, ...)
{
    if (parser->status)
        return false;
    parser->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(parser->reason, sizeof parser->reason, format, args);
    va_end(args);
    return false;
}

/* --- What llhttp calls. A refusal made here stops it with an error of its own, which parser_feed()
 * ignores. */

static int append(struct parser *parser, const char *bytes, size_t length)
{
    buf_append(&parser->text, bytes, length);
    if (buf_ok(&parser->text))
        return 0;
    parser_refuse(parser, 503, "no memory for the head of the request");
    return HPE_USER;
}

static int on_target(llhttp_t *machine, const char *bytes, size_t length)
{
    return append(machine->data, bytes, length);
}

static int on_target_complete(llhttp_t *machine)
{
    struct parser *parser = machine->data;
    parser->target_done = true;
    if (append(parser, "", 1) != 0)
        return -1;
    parser->fields_at = parser->text.length;
    return 0;
}

#if LLHTTP_VERSION_MAJOR > 9 || LLHTTP_VERSION_MINOR >= 3
/* Older ones do not tell RTSP/1.0 and ICE/1.0 from HTTP/1.0; such a request then gets an HTTP answer. */
static int on_protocol(llhttp_t *machine, const char *bytes, size_t length)
{
    struct parser *parser = machine->data;
    for (size_t i = 0; i < length; i++) {
        if (parser->protocol_length >= 4 || bytes[i] != "HTTP"[parser->protocol_length]) {
            parser_refuse(parser, 400, "the protocol is not HTTP");
            return HPE_USER;
        }
        parser->protocol_length++;
    }
    return 0;
}
#endif

static int on_field_name(llhttp_t *machine, const char *bytes, size_t length)
{
    struct parser *parser = machine->data;
    return parser->head_done ? 0 : append(parser, bytes, length);
}

static int on_field_name_complete(llhttp_t *machine)
{
    struct parser *parser = machine->data;
    if (++parser->field_count > parser->limits->fields) {
        parser_refuse(parser, 431, "more than %d header fields", parser->limits->fields);
        return -1;
    }
    if (parser->head_done)
        return 0;
    int failed = append(parser, "", 1);
    parser->value_at = parser->text.length;
    return failed ? -1 : 0;
}

static int on_field_value(llhttp_t *machine, const char *bytes, size_t length)
{
    struct parser *parser = machine->data;
    return parser->head_done ? 0 : append(parser, bytes, length);
}

static int on_field_value_complete(llhttp_t *machine)
{
    struct parser *parser = machine->data;
    if (parser->head_done)
        return 0;
    /* White space around a value is no part of it (RFC 9110, 5.5); llhttp drops only what stands before. */
    struct buf *text = &parser->text;
    while (text->length > parser->value_at &&
           (text->bytes[text->length - 1] == ' ' || text->bytes[text->length - 1] == '\t'))
        text->length--;
    return append(parser, "", 1) ? -1 : 0;
}

static int on_head_complete(llhttp_t *machine)
{
    struct parser *parser = machine->data;
    parser->head_done = true;
    parser->head_field_count = parser->field_count;
    return parser_check_head(parser) ? HPE_PAUSED : -1;
}

static int on_chunk_header(llhttp_t *machine)
{
    struct parser *parser = machine->data;
    parser->chunk_count++;
    return 0;
}

static int on_body(llhttp_t *machine, const char *bytes, size_t length)
{
    struct parser *parser = machine->data;
    if (length > parser->limits->body_bytes - parser->body.length) {
        parser_refuse(parser, 413, "the body is larger than %zu bytes", parser->limits->body_bytes);
        return HPE_USER;
    }
    size_t *held = parser->limits->held;
    if (held && length > parser->limits->all_bodies_bytes - *held) {
        parser_refuse(parser, 503, "the bodies of all requests together are larger than %zu bytes: try again",
                      parser->limits->all_bodies_bytes);
        return HPE_USER;
    }
    size_t before = parser->body.length;
    buf_append(&parser->body, bytes, length);
    if (held)
        *held += parser->body.length - before;
    if (buf_ok(&parser->body))
        return 0;
    parser_refuse(parser, 503, "no memory for the body of the request");
    return HPE_USER;
}

static int on_message_complete(llhttp_t *machine)
{
    (void)machine;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_url_complete = on_target_complete,
#if LLHTTP_VERSION_MAJOR > 9 || LLHTTP_VERSION_MINOR >= 3
    .on_protocol = on_protocol,
#endif
    .on_header_field = on_field_name,
    .on_header_field_complete = on_field_name_complete,
    .on_header_value = on_field_value,
    .on_header_value_complete = on_field_value_complete,
    .on_headers_complete = on_head_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* --- The parser */

void parser_init(struct parser *parser, const struct parse_limits *limits)
{
    *parser = (struct parser){.limits = limits};
    llhttp_init(&parser->machine, HTTP_REQUEST, &settings);
    parser->machine.data = parser;
}

static void recycle(struct buf *buf, size_t keep)
{
    if (buf->capacity > keep)
        buf_free(buf);
    else
        buf_clear(buf);
}

static void let_go(struct parser *parser)
{
    if (parser->limits->held)
        *parser->limits->held -= parser->body.length;
}

void parser_reset(struct parser *parser, size_t keep)
{
    let_go(parser);
    struct buf text = parser->text, body = parser->body;
    recycle(&text, keep);
    recycle(&body, keep);
    parser_init(parser, parser->limits);
    parser->text = text;
    parser->body = body;
}

void parser_free(struct parser *parser)
{
    let_go(parser);
    buf_free(&parser->text);
    buf_free(&parser->body);
}

static enum parse_result explain_error(struct parser *parser, llhttp_errno_t code)
{
    int major = parser->machine.http_major, minor = parser->machine.http_minor;
    /* llhttp says "invalid version" also where the line does not end after a good one. */
    bool is_other_version = code == HPE_INVALID_VERSION && (major > 1 || (major == 1 && minor > 1));
    if (is_other_version || code == HPE_PAUSED_H2_UPGRADE)
        parser_refuse(parser, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    else
        parser_refuse(parser, 400, "malformed HTTP: %s", llhttp_get_error_reason(&parser->machine));
    return PARSE_REFUSED;
}

static bool check_head_room(struct parser *parser)
{
    if (parser->head_bytes < parser->limits->head_bytes)
        return true;
    if (!parser->target_done)
        return parser_refuse(parser, 414, "the request line is longer than %zu bytes",
                             parser->limits->head_bytes);
    return parser_refuse(parser, 431, "the header is larger than %zu bytes", parser->limits->head_bytes);
}

/* Chunk extensions and trailers are read and dropped, however many bytes they are: bound them like the
 * head. */
static bool check_chunk_frames(struct parser *parser)
{
    size_t frames = parser->body_wire_bytes - parser->body.length;
    if (frames <= parser->limits->head_bytes + parser->chunk_count * CHUNK_FRAME)
        return true;
    return parser_refuse(parser, 431, "chunk extensions and trailers of more than %zu bytes",
                         parser->limits->head_bytes);
}

enum parse_result parser_feed(struct parser *parser, const char *bytes, size_t length, size_t *used)
{
    *used = 0;
    bool in_head = !parser->head_done;
    if (in_head && length > 0) {
        if (!check_head_room(parser))
            return PARSE_REFUSED;
        size_t room = parser->limits->head_bytes - parser->head_bytes;
        length = length < room ? length : room;
    }
    llhttp_resume(&parser->machine);
    llhttp_errno_t code = llhttp_execute(&parser->machine, bytes, length);
    if (code != HPE_OK && code != HPE_PAUSED && code != HPE_PAUSED_UPGRADE)
        return explain_error(parser, code);

    *used = code == HPE_OK ? length : (size_t)(llhttp_get_error_pos(&parser->machine) - bytes);
    if (in_head) {
        parser->head_bytes += *used;
        return code == HPE_OK ? PARSE_MORE : PARSE_HEAD;
    }
    parser->body_wire_bytes += *used;
    if (!check_chunk_frames(parser))
        return PARSE_REFUSED;
    return code == HPE_OK ? PARSE_MORE : PARSE_DONE;
}

const char *parser_field(const struct parser *parser, const char *name)
{
    const char *at = parser->text.bytes + parser->fields_at;
    for (int i = 0; i < parser->head_field_count; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}
