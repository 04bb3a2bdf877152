/* What the files of http/ share. The loop thread owns everything here but `posted` and `stopping`. */
#ifndef LINNET_HTTP_INTERNAL_H
#define LINNET_HTTP_INTERNAL_H

#include <stdatomic.h>
#include <time.h>

#include <uv.h>

#include "http/http.h"
#include "http/parse.h"

/* --- Deadlines (timers.c): one FIFO list a kind, as all of a kind last equally long, and one timer for all
 * lists. */

enum deadline_kind {
    DEADLINE_IDLE,
    DEADLINE_HEAD,
    DEADLINE_BODY,
    DEADLINE_REQUEST,
    DEADLINE_WRITE,
    DEADLINE_LINGER,
    DEADLINE_PROBE,
    DEADLINE_DRAIN_IDLE,
    DEADLINE_DRAIN,
    DEADLINE_ACCEPT_AGAIN,
    DEADLINE_KINDS
};

struct deadline {
    struct deadline *previous, *next; /* NULL: not running */
    uint64_t due;                     /* ms on the loop's clock */
};

struct deadline_list {
    struct deadline head; /* a ring; due is not used */
    int ms;               /* 0: this kind never comes due */
    void (*expired)(struct http_server *server, struct deadline *deadline);
};

void deadlines_init(struct http_server *server);
void deadline_start(struct http_server *server, enum deadline_kind kind, struct deadline *deadline);
void deadline_stop(struct deadline *deadline); /* also of one that is not running */

/* --- Exchanges (exchange.c) live in a small pool, so that an idle connection has none. */

struct http_exchange {
    struct parser parser;
    struct connection *connection;
    struct http_exchange *next_spare;
    void *user;
    size_t path_skipped; /* http_enter() */
    int place;
    uint64_t begin_ns; /* first byte */
    bool is_answered;
    bool is_known; /* on_head was called, so on_end is owed */
    char id[65];   /* made at once; exchange_take_id() may replace it */
};

struct http_exchange *exchange_begin(struct http_server *server,
                                     struct connection *connection); /* NULL: no memory */
void exchange_end(struct http_server *server, struct http_exchange *exchange);
void exchange_free_spares(struct http_server *server);
void exchange_take_id(struct http_exchange *exchange); /* X-Request-Id, where the client sent a sane one */

/* --- Connections (connection.c, response.c) */

enum connection_state {
    CONNECTION_IDLE,   /* no byte of a request yet */
    CONNECTION_HEAD,   /* reads a head */
    CONNECTION_BODY,   /* reads a body */
    CONNECTION_ANSWER, /* waits for http_respond() */
    CONNECTION_WRITE,  /* the kernel did not yet take the whole answer */
    CONNECTION_LINGER, /* answered for the last time; what still comes is dropped */
    CONNECTION_CLOSED, /* waits for libuv to let go */
};

struct connection {
    uv_poll_t poll;
    struct http_server *server;
    struct connection *previous, *next;
    struct http_exchange *exchange; /* from HEAD to WRITE */
    struct deadline deadline, probe;
    struct buf unread; /* input that waits for the answer before it; begins at unread_at */
    size_t unread_at;
    struct buf answer_head, answer_body;
    size_t answer_sent;
    const char *input; /* while is_parsing: what of the last read is left */
    size_t input_length;
    unsigned answers; /* so far; tells one exchange from the next */
    int fd;
    int watched; /* the poll events asked for */
    enum connection_state state;
    bool is_parsing;
    bool has_ended;    /* the client has shut its sending side */
    bool closes_after; /* the answer being written is the last */
};

/* Takes over `fd`. On false it is closed. */
bool connection_open(struct http_server *server, int fd, bool over_maximum);
void connection_close(struct connection *connection);
void connection_enter(struct connection *connection, enum connection_state state);

/* The answer is with the kernel: ends the exchange, then goes on with the next one or closes. */
void connection_answered(struct connection *connection);

/* Whether bytes of another request are here already. */
bool connection_has_input(const struct connection *connection);

/* Sets the poll events that the state asks for. */
void connection_watch(struct connection *connection);

/* Deadlines: what happens when they come due. */
void connection_expired_idle(struct http_server *server, struct deadline *deadline);
void connection_expired_reading(struct http_server *server, struct deadline *deadline);
void connection_expired_request(struct http_server *server, struct deadline *deadline);
void connection_expired_write(struct http_server *server, struct deadline *deadline);
void connection_expired_linger(struct http_server *server, struct deadline *deadline);
void connection_expired_probe(struct http_server *server, struct deadline *deadline);

struct answer {
    int status;
    const char *content_type; /* NULL: none */
    const struct http_response_field *fields;
    size_t field_count;
    bool closes; /* whatever the client allows */
};

/* The fields of an answer that the options ask for where a page of another origin may read it; to OPTIONS
 * also what it may send, whose methods are those of the answer's Allow (cors.c). */
typedef void response_put_field(struct buf *head, const char *name, const char *value);
void cors_put_fields(const struct connection *connection, const struct answer *answer,
                     response_put_field *put, struct buf *head);

/* Sends an answer and then calls connection_answered() or, where the client has left, connection_close(). */
void response_send(struct connection *connection, const struct answer *answer, struct buf *body);

/* The same for an error that the server found; closes. */
void response_refuse(struct connection *connection, int status, const char *message);

/* Goes on with an answer that the kernel did not take at once. */
void response_continue(struct connection *connection);

/* Sends an interim 100 where there is room for it. */
void response_send_continue(struct connection *connection);

/* --- The server (server.c, accept.c, loop.c) */

enum { READ_BYTES = 65536, UNREAD_BYTES = 65536, SPARE_EXCHANGES = 64 };

struct listener {
    uv_poll_t poll;
    int fd; /* -1: not listening, or no longer */
};

struct http_server {
    struct http_options options;
    struct http_handler handler;
    struct parse_limits limits;
    size_t held_body_bytes; /* of all exchanges */

    uv_loop_t loop;
    struct listener listeners[2]; /* of port and of second_port */
    uv_signal_t on_sigterm, on_sigint;
    uv_async_t wake;
    uv_timer_t timer;
    uint64_t timer_due; /* UINT64_MAX: not running */
    struct deadline_list deadlines[DEADLINE_KINDS];
    struct deadline drain_deadline, accept_deadline;

    int port, second_port; /* second_port 0: there is none */
    bool is_draining, was_cut_short;
    struct connection *connections;
    int connection_count; /* not yet closed */

    _Atomic(struct http_task *) posted; /* newest first */
    atomic_bool stopping;

    struct http_exchange *spares;
    int spare_count;
    struct buf head; /* kept from answer to answer */
    time_t date_second;
    char date[32];
    uint64_t id_high, id_low;
    bool accept_failed; /* and was logged */
    char input[READ_BYTES];
};

bool accept_listen(struct http_server *server, struct error *err);
int accept_port_of(int fd); /* the local port of a socket; 0: unknown */
bool accept_start(struct http_server *server);
void accept_all(struct http_server *server); /* until the queue is empty */
void accept_stop(struct http_server *server);
void accept_expired(struct http_server *server, struct deadline *deadline);

void tasks_run(struct http_server *server);

/* A connection was closed: ends http_run() where it was the last one of a drain. */
void server_connection_closed(struct http_server *server);
void server_expired_drain(struct http_server *server, struct deadline *deadline);

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
