/* An HTTP/1.1 server (RFC 9110, 9112): bytes to requests, responses to bytes. It knows nothing of models or JSON.
 *
 * One loop thread does all I/O and calls the handler. An exchange is one request and its answer: it begins when the
 * head was read and ends when the answer was handed to the kernel or the client left. Exchanges of one connection are
 * strictly in turn (a pipelined request waits, unread, for the answer before it), so a client has one exchange a connection.
 *
 * Threads: everything here is for the loop thread alone, but http_post(), http_offload() and http_stop(), which any
 * thread may call. Errors: what is wrong with a request is answered by the server itself, through handler.render_error;
 * framing in doubt is 400 and close.
 */
#ifndef LINNET_HTTP_HTTP_H
#define LINNET_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"

struct http_server;
struct http_exchange;

struct http_options {
    const char *host; /* an address or name to bind, such as "127.0.0.1" or "::1" */
    int port;         /* 0: the system picks one, see http_port() */
    size_t max_header_bytes; /* request line and fields; 431 past it */
    int max_header_fields;   /* 431 past it */
    size_t max_body_bytes;   /* 413, before it is read where it was declared */
    int max_connections;     /* one more is accepted, answered 503 and closed */
    /* Total times, in ms, each from its own start, not from the last byte; 0 is none. */
    unsigned header_ms;  /* first byte of a request to the end of its head: 408 and close */
    unsigned body_ms;    /* end of the head to the end of the body: 408 and close */
    unsigned request_ms; /* end of the body to the answer: handler.on_deadline */
    unsigned write_ms;   /* answer to its last byte taken by the kernel: reset */
    unsigned idle_ms;    /* between requests: closed silently */
    unsigned drain_ms;   /* http_drain() to the end of http_run(), at the most */
    const char *cors_origin; /* NULL: no CORS. "*" or an origin: Access-Control-* on every answer; OPTIONS answered 204 */
    bool access_log;         /* one info line an answer: method, path, status, bytes, ms, request id */
};

/* The defaults of design: 127.0.0.1:8080, 16 KiB header, 100 fields, 2 MiB body, 10,000 connections,
 * 10/30/30/30/75/30 s. */
void http_options_default(struct http_options *options);

/* What the server asks of whoever serves. All are called on the loop thread. */
struct http_handler {
    void *context;

    /* The head is read. True: read the body, then call on_request. False: the handler has answered by http_respond(), and
     * the body, if any, is not read (the connection closes after the answer where one was announced). */
    bool (*on_head)(void *context, struct http_exchange *x);

    /* The request is whole. Answer now, or later from a task given to http_post(). */
    void (*on_request)(void *context, struct http_exchange *x);

    /* request_ms passed without an answer: answer now (504). */
    void (*on_deadline)(void *context, struct http_exchange *x);

    /* The exchange ends; `x` is invalid after this returns. Called exactly once for every exchange that on_head saw,
     * answered or not (the client left, or the server stops). */
    void (*on_end)(void *context, struct http_exchange *x);

    /* Each answer, also those the server made by itself: for metrics. x is NULL where no head could be read. */
    void (*on_answer)(void *context, struct http_exchange *x, int status, uint64_t duration_ns);

    /* Appends the body for an error that the server found itself, and returns its content type (a static string). */
    const char *(*render_error)(void *context, int status, const char *message, struct buf *body);

    /* Draining begins: health should say so from now on. */
    void (*on_drain)(void *context);
};

/* Binds and listens, raises RLIMIT_NOFILE towards max_connections, and ignores SIGPIPE. SIGTERM and SIGINT drain, a
 * second one stops at once. Copies *options and *handler; host and cors_origin must outlive the server.
 * NULL: ERR_ADDRESS_IN_USE, ERR_PERMISSION, ERR_NOT_FOUND (no such host), ERR_IO, each saying what to do. */
struct http_server *http_open(const struct http_options *options, const struct http_handler *handler,
                              struct error *err);
int http_port(const struct http_server *server);
int http_connections(const struct http_server *server); /* open now */

/* Runs until drained (true) or stopped by http_stop() or a second signal (false). */
bool http_run(struct http_server *server);

/* Begins a graceful end: takes what waits in the accept queue, stops listening, answers every request whose first byte
 * has come, with Connection: close, gives idle connections 1 s, and lets http_run() return within drain_ms. */
void http_drain(struct http_server *server);

/* Ends http_run() at once. Any thread. */
void http_stop(struct http_server *server);

void http_close(struct http_server *server); /* after http_run(); NULL is fine */

/* A piece of work for the loop thread. It belongs to its poster, must stay valid until run() is called, and may be freed
 * by run(). Order is kept. Any thread. */
struct http_task {
    struct http_task *next; /* the server's own */
    void (*run)(struct http_task *task);
};
void http_post(struct http_server *server, struct http_task *task);

/* Runs work() on a helper thread, then done() on the loop thread. For what would stall the loop. */
struct http_job {
    void (*work)(struct http_job *job);
    void (*done)(struct http_job *job);
};
bool http_offload(struct http_server *server, struct http_job *job); /* false: no memory; nothing will be called */

/* --- One exchange. Strings live as long as it does. */

const char *http_method(const struct http_exchange *x); /* "GET" also for HEAD: the server leaves the body out */
const char *http_path(const struct http_exchange *x);   /* percent-decoded, no query, begins with '/' */
const char *http_query(const struct http_exchange *x);  /* after '?', as sent; "" where there is none */
const char *http_field(const struct http_exchange *x, const char *name); /* the first field of that name, or NULL */
const char *http_request_id(const struct http_exchange *x); /* X-Request-Id if sane (1..64 of [A-Za-z0-9._-]), else made */
bool http_has_body(const struct http_exchange *x); /* the head announces one (Content-Length above 0, or chunked) */
struct blob http_body(const struct http_exchange *x);
struct arena *http_arena(struct http_exchange *x); /* reset when the exchange ends */

void http_set_user(struct http_exchange *x, void *user);
void *http_user(const struct http_exchange *x);

struct http_response_field {
    const char *name, *value;
};

/* Answers. Takes the memory of *body (which is left empty). Content-Length, Date, Connection and X-Request-Id are the
 * server's. Once per exchange; on_end may be called before this returns, so do not touch x afterwards. */
void http_respond(struct http_exchange *x, int status, const char *content_type,
                  const struct http_response_field *fields, size_t field_count, struct buf *body);

#endif
