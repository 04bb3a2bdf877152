/* An HTTP/1.1 server (RFC 9110, 9112): bytes to requests, responses to bytes. It knows nothing of models or
 * JSON.
 *
 * One loop thread does all I/O and calls the handler. An exchange is one request and its answer: it begins
 * when the head was read and ends when the answer was handed to the kernel or the client left. Exchanges of
 * one connection are strictly in turn (a pipelined request waits, unread, for the answer before it), so a
 * client has one exchange a connection.
 *
 * A client that leaves (closes or resets) ends its exchange at once. One that only shuts its sending side
 * after a whole request still gets the answer. The two look alike until bytes are sent, so one that waits
 * longer than 200 ms for its answer after that is sent an interim 100, which a closed socket answers with a
 * reset; HTTP/1.0 clients, who may not be sent one, are taken to read on.
 *
 * Threads: everything here is for the loop thread alone, but http_post() and http_stop(), which any thread
 * may call. Errors: what is wrong with a request is answered by the server itself, through
 * handler.render_error; framing in doubt is 400 and close.
 */
#ifndef LINNET_HTTP_HTTP_H
#define LINNET_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"

struct http_server;
struct http_exchange;

struct http_options {
    const char *host;            /* an address or name to bind, such as "127.0.0.1" or "::1" */
    int port;                    /* 0: the system picks one, see http_port() */
    int second_port;             /* of the same host, for http_is_second_port(); 0: none */
    size_t max_header_bytes;     /* request line and fields: 414, 431 past it; also extensions and trailers of
                                    chunks */
    int max_header_fields;       /* trailers included: 431 past it */
    size_t max_body_bytes;       /* 413, before it is read where it was declared */
    size_t max_all_bodies_bytes; /* of all requests under way; at least max_body_bytes; 503 past it */
    int max_connections;         /* one more is accepted, answered 503 and closed */
    /* Total times, in ms, each from its own start, not from the last byte; 0 is none. They are coarse: 10 ms.
     */
    int header_ms;  /* first byte of a request to the end of its head: 408 and close */
    int body_ms;    /* end of the head to the end of the body: 408 and close */
    int request_ms; /* end of the body to the answer: handler.on_deadline */
    int write_ms;   /* answer to its last byte taken by the kernel: reset */
    int idle_ms;    /* before the first request and between requests: closed silently */
    int drain_ms;   /* http_drain() to the end of http_run(), at the most */
    /* Origins whose pages may call, as "https://a.example" or "https://a.example,https://b.example", or "*":
     * any. They get Access-Control-* on every answer, to OPTIONS with the methods of the handler's Allow. */
    const char *const *cors_origins; /* [cors_origin_count] */
    size_t cors_origin_count;        /* 0: no CORS */
    bool access_log; /* one info line an answer: method, path, status, bytes, ms, request id */
};

/* 127.0.0.1:8080; 16 KiB header, 100 fields, 2 MiB body, 64 MiB bodies, 10,000 connections; header 10 s, body
 * 30 s, request 30 s, write 30 s, idle 75 s, drain 30 s; no CORS, no access log. */
void http_options_default(struct http_options *options);

/* What the server asks of whoever serves. All are set, and called on the loop thread. */
struct http_handler {
    void *context;

    /* The head is read. True: read the body, then call on_request. False: the handler has answered by
     * http_respond(), and the body, if any, is not read (the connection closes after the answer where one was
     * announced). OPTIONS * is answered by the server and not seen here. */
    bool (*on_head)(void *context, struct http_exchange *x);

    /* The request is whole. Answer now, or later from a task given to http_post(). */
    void (*on_request)(void *context, struct http_exchange *x);

    /* request_ms passed without an answer: answer now. The server answers 504 where this does not. */
    void (*on_deadline)(void *context, struct http_exchange *x);

    /* The exchange ends; `x` is invalid after this returns. Called exactly once for every exchange that
     * on_head saw, answered or not (the client left, or the server stops). */
    void (*on_end)(void *context, struct http_exchange *x);

    /* Each answer, also those the server made by itself, when it is ready and before on_end: for metrics.
     * duration_ns is from the first byte of the request. x is NULL, and the duration may be 0, where no head
     * could be read. */
    void (*on_answer)(void *context, struct http_exchange *x, int status, uint64_t duration_ns);

    /* Appends the body for an error that the server found itself. Returns its type, a static string. x is
     * NULL where no head could be read; on_head may not have seen it. */
    const char *(*render_error)(void *context, struct http_exchange *x, int status, const char *message,
                                struct buf *body);

    /* Draining begins: health should say so from now on. */
    void (*on_drain)(void *context);
};

/* Binds and listens, raises RLIMIT_NOFILE towards max_connections, and ignores SIGPIPE. SIGTERM and SIGINT
 * drain, a second one stops at once. Clients may connect from now on; they are answered once http_run() runs.
 * Copies *options and *handler; host and cors_origins must outlive the server. NULL: ERR_ADDRESS_IN_USE,
 * ERR_PERMISSION, ERR_NOT_FOUND (no such host), ERR_USAGE (port), ERR_NO_MEMORY, ERR_IO, each saying what to
 * do. */
struct http_server *http_open(const struct http_options *options, const struct http_handler *handler,
                              struct error *err);
int http_port(const struct http_server *server);
int http_connections(const struct http_server *server); /* open now */

/* Runs until drained or drain_ms have passed (true), or until http_stop() or a second signal (false). All
 * exchanges have ended when it returns. */
bool http_run(struct http_server *server);

/* Begins a graceful end: takes what waits in the accept queue, stops listening, answers every request whose
 * first byte has come, the last of a connection with Connection: close, gives idle connections 1 s, and lets
 * http_run() return within drain_ms. */
void http_drain(struct http_server *server);

/* Ends http_run() at once. Any thread. */
void http_stop(struct http_server *server);

/* After http_run(); NULL is fine. Waits for offloaded jobs, and runs what tasks and done() are still to run.
 * Whoever posts must have stopped before. */
void http_close(struct http_server *server);

/* A piece of work for the loop thread. It belongs to its poster, must stay valid until run() is called, and
 * may be freed by run(), which is called exactly once. Order is kept. Any thread. */
struct http_task {
    struct http_task *next; /* the server's own */
    void (*run)(struct http_task *task);
};
void http_post(struct http_server *server, struct http_task *task);

/* How many helper threads there are: libuv's UV_THREADPOOL_SIZE. */
int http_helpers(void);

/* Runs work() on a helper thread, then done() on the loop thread. For what would stall the loop. False: no
 * memory, and nothing will be called. Loop thread only. */
struct http_job {
    void (*work)(struct http_job *job);
    void (*done)(struct http_job *job);
};
bool http_offload(struct http_server *server, struct http_job *job);

/* --- One exchange. Strings live as long as it does. */

/* "GET" also for HEAD: the server leaves the body out. */
const char *http_method(const struct http_exchange *x);

/* Percent-decoded, without the query; begins with '/'. */
const char *http_path(const struct http_exchange *x);

/* From now on http_path() begins `skipped` bytes later ("/" where nothing is left), and http_place() is
 * `place`: for a handler that gives paths of the same form to several things. Once, in on_head or
 * render_error. */
void http_enter(struct http_exchange *x, size_t skipped, int place);
int http_place(const struct http_exchange *x); /* 0 before */

/* What follows '?', as sent; "" where there is none. */
const char *http_query(const struct http_exchange *x);

/* The first field of that name, in any case, without white space around it; NULL where there is none. */
const char *http_field(const struct http_exchange *x, const char *name);

/* Whether the request came in by options.second_port. */
bool http_is_second_port(const struct http_exchange *x);

/* The X-Request-Id field if it is sane (1 to 64 of [A-Za-z0-9._-]), else one that the server made. */
const char *http_request_id(const struct http_exchange *x);

/* In on_request and later; bytes is never NULL. */
struct blob http_body(const struct http_exchange *x);

/* NULL at first. */
void http_set_user(struct http_exchange *x, void *user);
void *http_user(const struct http_exchange *x);

struct http_response_field {
    const char *name, *value; /* without CR or LF */
};

/* Answers. Takes the memory of *body (which is left empty; one that is not buf_ok() makes it a 500 without a
 * body). Content-Length, Date, Connection and X-Request-Id are the server's. content_type NULL: none. A
 * second answer to one exchange is dropped. on_end, and on_head and on_request of the connection's next
 * request, may be called before this returns, so do not touch x afterwards. */
void http_respond(struct http_exchange *x, int status, const char *content_type,
                  const struct http_response_field *fields, size_t field_count, struct buf *body);

#endif
