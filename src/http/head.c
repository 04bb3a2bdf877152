/* The checks of a whole head: RFC 9112, 3 (request line), 3.2 (target, Host), 6 (framing); RFC 9110, 10.1.1
 * (Expect). */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "http/parse.h"

struct fields_seen {
    int hosts, codings;
    const char *host, *coding, *expect;
};

static void note(const char *name, size_t name_length, const char *value, struct parser *parser,
                 struct fields_seen *seen)
{
    switch (name_length) {
    case sizeof "host" - 1:
        if (strcasecmp(name, "host") == 0) {
            seen->hosts++;
            seen->host = value;
        }
        break;
    case sizeof "expect" - 1:
        if (strcasecmp(name, "expect") == 0)
            seen->expect = value;
        break;
    case sizeof "x-request-id" - 1:
        if (strcasecmp(name, "x-request-id") == 0 && !parser->request_id)
            parser->request_id = value;
        break;
    case sizeof "transfer-encoding" - 1:
        if (strcasecmp(name, "transfer-encoding") == 0) {
            seen->codings++;
            seen->coding = value;
        }
        break;
    default:
        break;
    }
}

static void note_fields(struct parser *parser, struct fields_seen *seen)
{
    const char *name = parser->text.bytes + parser->fields_at;
    for (int i = 0; i < parser->field_count; i++) {
        size_t name_length = strlen(name);
        const char *value = name + name_length + 1;
        note(name, name_length, value, parser, seen);
        name = value + strlen(value) + 1;
    }
}

static bool check_version(struct parser *parser)
{
    int major = parser->machine.http_major, minor = parser->machine.http_minor;
    parser->is_http_1_0 = minor == 0;
    if (major == 1 && minor <= 1)
        return true;
    if (major == 0)
        return parser_refuse(parser, 400, "the request line names no HTTP version; HTTP/1.1 is spoken here");
    return parser_refuse(parser, 505, "HTTP/%d.%d; only HTTP/1.1 and HTTP/1.0 are spoken here", major, minor);
}

static bool check_framing(struct parser *parser, const struct fields_seen *seen)
{
    const llhttp_t *machine = &parser->machine;
    bool is_chunked = machine->flags & F_CHUNKED;
    if (seen->codings > 0) {
        if (parser->is_http_1_0)
            return parser_refuse(parser, 400, "Transfer-Encoding in HTTP/1.0");
        if (!is_chunked)
            return parser_refuse(parser, 400, "Transfer-Encoding: %.60s: the last coding must be chunked",
                                 seen->coding);
        if (seen->codings > 1 || strcasecmp(seen->coding, "chunked") != 0)
            return parser_refuse(parser, 501, "Transfer-Encoding: %.60s: only chunked is understood",
                                 seen->coding);
    }
    parser->has_body = is_chunked || machine->content_length > 0;
    if (!is_chunked && machine->content_length > parser->limits->body_bytes)
        return parser_refuse(parser, 413, "a body of %llu bytes; at most %zu are taken",
                             (unsigned long long)machine->content_length, parser->limits->body_bytes);
    return true;
}

/* uri-host [ ":" port ] (RFC 3986, 3.2.2), by its characters; it may be empty. */
static bool is_host(const char *text)
{
    const char *at = text;
    if (*at == '[') {
        at++;
        while (isxdigit((unsigned char)*at) || *at == ':' || *at == '.')
            at++;
        if (*at++ != ']')
            return false;
    } else {
        while (isalnum((unsigned char)*at) || (*at && strchr("-._~%!$&'()*+,;=", *at)))
            at++;
    }
    if (*at == ':') {
        at++;
        while (isdigit((unsigned char)*at))
            at++;
    }
    return *at == '\0';
}

static bool check_host(struct parser *parser, const struct fields_seen *seen)
{
    if (seen->hosts == 0 && !parser->is_http_1_0)
        return parser_refuse(parser, 400, "no Host field");
    if (seen->hosts > 1)
        return parser_refuse(parser, 400, "%d Host fields; one is right", seen->hosts);
    if (seen->hosts == 1 && !is_host(seen->host))
        return parser_refuse(parser, 400, "Host: %.60s: a name or address, and perhaps a port, is right",
                             seen->host);
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Appends the decoded path[0..length) and a NUL to parser->text, which has room: the text must not move. */
static bool decode_path(struct parser *parser, const char *path, size_t length)
{
    parser->path = parser->text.bytes + parser->text.length;
    for (size_t i = 0; i < length; i++) {
        char c = path[i];
        if (c == '%') {
            /* Past the end stands a NUL or '?', which is no digit. */
            int high = hex_value(path[i + 1]);
            int low = high < 0 ? -1 : hex_value(path[i + 2]);
            if (high < 0 || low < 0)
                return parser_refuse(parser, 400,
                                     "the path has a %% without two hexadecimal digits after it");
            c = (char)(high * 16 + low);
            if (c == '\0')
                return parser_refuse(parser, 400, "the path has a NUL (%%00)");
            i += 2;
        }
        buf_putc(&parser->text, c);
    }
    buf_append(&parser->text, "", 1);
    return true;
}

/* What follows "scheme://authority" of an absolute-form target, or NULL where it is none. */
static const char *after_authority(const char *target)
{
    const char *authority = NULL;
    if (strncasecmp(target, "http://", 7) == 0)
        authority = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        authority = target + 8;
    if (!authority)
        return NULL;
    size_t length = strcspn(authority, "/?");
    return length > 0 ? authority + length : NULL;
}

static bool check_target(struct parser *parser)
{
    size_t length = strlen(parser->text.bytes);
    if (!buf_reserve(&parser->text, length + 2))
        return parser_refuse(parser, 503, "no memory for the head of the request");
    const char *target = parser->text.bytes;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)target[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return parser_refuse(parser, 400,
                                 "the request target has byte 0x%02x, which must be percent-encoded", c);
    }
    parser->query = target + length;
    if (strcmp(target, "*") == 0 && parser->machine.method == HTTP_OPTIONS)
        return decode_path(parser, "*", 1);

    const char *path = target[0] == '/' ? target : after_authority(target);
    if (!path)
        return parser_refuse(parser, 400, "the request target %.60s does not begin with /", target);
    size_t path_length = strcspn(path, "?");
    if (path[path_length] == '?')
        parser->query = path + path_length + 1;
    return path_length > 0 ? decode_path(parser, path, path_length) : decode_path(parser, "/", 1);
}

static bool check_expectation(struct parser *parser, const char *expect)
{
    if (!expect || parser->is_http_1_0)
        return true;
    if (strcasecmp(expect, "100-continue") != 0)
        return parser_refuse(parser, 417, "Expect: %.60s: only 100-continue is understood", expect);
    parser->expects_continue = true;
    return true;
}

bool parser_check_head(struct parser *parser)
{
    struct fields_seen seen = {0};
    parser->method = llhttp_method_name((llhttp_method_t)parser->machine.method);
    if (!check_version(parser))
        return false;
    if (parser->machine.method == HTTP_CONNECT)
        return parser_refuse(parser, 501, "CONNECT: this is no proxy");
    if (!check_target(parser))
        return false;
    /* Only now, as check_target() may have moved the text. */
    note_fields(parser, &seen);
    parser->keep_alive = llhttp_should_keep_alive(&parser->machine);
    return check_framing(parser, &seen) && check_host(parser, &seen) &&
           check_expectation(parser, seen.expect);
}
