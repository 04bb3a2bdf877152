/* Bytes to one request: llhttp plus every check that it leaves to its user.
 *
 * A parser holds one request at a time and knows no sockets. Feed it bytes until it says PARSE_DONE or
 * PARSE_REFUSED, then parser_reset() it for the next request. How the bytes are split over calls never
 * changes the request; only the limit on chunk extensions and trailers is looked at once a call.
 *
 * Threads: one at a time.
 */
#ifndef LINNET_HTTP_PARSE_H
#define LINNET_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <llhttp.h>

#include "base/buf.h"

struct parse_limits {
    size_t
        head_bytes; /* request line and fields, line ends included; also all chunk extensions and trailers */
    int fields;     /* trailers included */
    size_t body_bytes;
    size_t all_bodies_bytes; /* of all parsers with this `held` together */
    size_t *held;            /* body bytes of them now; NULL: no such limit */
};

struct parser {
    llhttp_t machine;
    const struct parse_limits *limits;
    struct buf
        text; /* target, then each field's name and value, then the decoded path, each ended by a NUL */
    struct buf body;
    size_t fields_at, value_at; /* offsets into text: the first field's name, the value that is being read */
    int field_count;            /* of the head, then also of the trailers */
    int head_field_count;
    size_t head_bytes;      /* of the head, as they came */
    size_t body_wire_bytes; /* of the body, as they came */
    size_t chunk_count;
    unsigned protocol_length;

    /* Valid from PARSE_HEAD on. */
    const char *method; /* as sent */
    const char *path;   /* percent-decoded, begins with '/'; "*" for OPTIONS * */
    const char *query;
    const char *request_id; /* the X-Request-Id field, or NULL */
    bool keep_alive;        /* the client lets the connection stay open */
    bool is_http_1_0, has_body, expects_continue;

    bool target_done, head_done;
    int status;       /* PARSE_REFUSED: the status to answer, */
    char reason[160]; /* and what was wrong */
};

enum parse_result {
    PARSE_MORE, /* the request goes on */
    PARSE_HEAD, /* once a request: the head is whole; call again for the rest, also where no byte is left */
    PARSE_DONE, /* the request is whole */
    PARSE_REFUSED, /* status and reason say why; what follows on the connection can't be trusted */
};

void parser_init(struct parser *parser, const struct parse_limits *limits);

/* Ready for another request; keeps up to `keep` bytes in each of its two buffers. */
void parser_reset(struct parser *parser, size_t keep);
void parser_free(struct parser *parser);

/* Takes *used of bytes[0..length), which is all of them only where the result is PARSE_MORE and the head's
 * limit was not reached: after PARSE_MORE with bytes left, call again with those. `bytes` is never NULL. */
enum parse_result parser_feed(struct parser *parser, const char *bytes, size_t length, size_t *used);

/* The first field of that name (any case) in the head, or NULL. */
const char *parser_field(const struct parser *parser, const char *name);

/* The head.c half of PARSE_HEAD: checks a whole head and fills the fields above. False: refused. */
bool parser_check_head(struct parser *parser);

/* Sets status and reason, once; returns false. */
bool parser_refuse(struct parser *parser, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
