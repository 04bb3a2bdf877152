/* One connection: what its bytes, its end and its deadlines do in each state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/internal.h"

static void parse_input(struct connection *connection, const char *bytes, size_t length);

/* --- Waiting for the kernel */

static size_t unread_length(const struct connection *connection)
{
    return connection->unread.length - connection->unread_at;
}

static int wanted_events(const struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_IDLE:
    case CONNECTION_HEAD:
    case CONNECTION_BODY:
    case CONNECTION_LINGER:
        return UV_READABLE;
    case CONNECTION_ANSWER:
        /* Reading on is how the end of the connection is seen. Where it must stop, a reset still is: epoll
         * reports errors and hang-ups with any mask, and urgent data, which no HTTP client sends, is a mask
         * that libuv lets us ask for. */
        return connection->has_ended || unread_length(connection) >= UNREAD_BYTES ? UV_PRIORITIZED
                                                                                  : UV_READABLE;
    case CONNECTION_WRITE:
        return UV_WRITABLE;
    case CONNECTION_CLOSED:
        break;
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

void connection_watch(struct connection *connection)
{
    int events = wanted_events(connection);
    if (events == connection->watched || connection->state == CONNECTION_CLOSED)
        return;
    connection->watched = events;
    uv_poll_start(&connection->poll, events, on_poll);
}

static enum deadline_kind deadline_of(const struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_HEAD:
        return DEADLINE_HEAD;
    case CONNECTION_BODY:
        return DEADLINE_BODY;
    case CONNECTION_ANSWER:
        return DEADLINE_REQUEST;
    case CONNECTION_WRITE:
        return DEADLINE_WRITE;
    case CONNECTION_LINGER:
        return DEADLINE_LINGER;
    default:
        return connection->server->is_draining ? DEADLINE_DRAIN_IDLE : DEADLINE_IDLE;
    }
}

static void start_probe(struct connection *connection)
{
    /* RFC 9110, 15.2: no interim answer to an HTTP/1.0 client. */
    if (!connection->exchange->parser.is_http_1_0)
        deadline_start(connection->server, DEADLINE_PROBE, &connection->probe);
}

void connection_enter(struct connection *connection, enum connection_state state)
{
    connection->state = state;
    deadline_start(connection->server, deadline_of(connection), &connection->deadline);
    if (state == CONNECTION_ANSWER && connection->has_ended)
        start_probe(connection);
    else
        deadline_stop(&connection->probe);
}

/* --- Beginning and end */

bool connection_open(struct http_server *server, int fd, bool over_maximum)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection || uv_poll_init(&server->loop, &connection->poll, fd) != 0) {
        free(connection);
        close(fd);
        return false;
    }
    connection->poll.data = connection;
    connection->server = server;
    connection->fd = fd;
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    connection_enter(connection, CONNECTION_IDLE);
    if (over_maximum)
        response_refuse(connection, 503, "too many connections");
    connection_watch(connection);
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_exchange(struct connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    if (exchange)
        exchange_end(connection->server, exchange);
}

void connection_close(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    struct http_server *server = connection->server;
    connection->state = CONNECTION_CLOSED;
    deadline_stop(&connection->deadline);
    deadline_stop(&connection->probe);
    end_exchange(connection);
    buf_free(&connection->unread);
    buf_free(&connection->answer_head);
    buf_free(&connection->answer_body);
    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    server->connection_count--;
    uv_close((uv_handle_t *)&connection->poll, on_closed);
    close(connection->fd);
    server_connection_closed(server);
}

/* Closing a socket that has unread input resets it, and a reset can destroy the answer on its way to the
 * client. So: end our side only, and take what still comes, for a while (RFC 9112, 9.6). */
static void linger(struct connection *connection)
{
    buf_free(&connection->unread);
    if (connection->has_ended || shutdown(connection->fd, SHUT_WR) != 0)
        connection_close(connection);
    else
        connection_enter(connection, CONNECTION_LINGER);
}

void connection_answered(struct connection *connection)
{
    end_exchange(connection);
    if (connection->closes_after) {
        linger(connection);
    } else {
        connection_enter(connection, CONNECTION_IDLE);
        /* parse_input() itself goes on with the rest where this is called from within it. */
        if (!connection->is_parsing && unread_length(connection) > 0)
            parse_input(connection, connection->unread.bytes + connection->unread_at,
                        unread_length(connection));
    }
    connection_watch(connection);
}

bool connection_has_input(const struct connection *connection)
{
    if (connection->is_parsing ? connection->input_length > 0 : unread_length(connection) > 0)
        return true;
    char byte;
    return !connection->has_ended && recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* --- Requests */

/* OPTIONS for the whole server, about which no handler is asked. */
static bool answers_options(struct connection *connection)
{
    static const struct http_response_field allow = {"Allow", "GET, HEAD, POST, OPTIONS"};
    const struct parser *parser = &connection->exchange->parser;
    if (parser->machine.method != HTTP_OPTIONS || parser->path[0] != '*')
        return false;
    struct answer answer = {.status = 204, .fields = &allow, .field_count = 1};
    struct buf body;
    buf_init(&body);
    response_send(connection, &answer, &body);
    return true;
}

static void take_head(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = connection->exchange;
    unsigned answers = connection->answers;
    exchange_take_id(exchange);
    if (answers_options(connection))
        return;
    exchange->is_known = true;
    bool wanted = server->handler.on_head(server->handler.context, exchange);
    if (connection->state != CONNECTION_HEAD || connection->answers != answers)
        return;
    if (!wanted) {
        response_refuse(connection, 500, "the request was refused without a reason");
        return;
    }
    connection_enter(connection, CONNECTION_BODY);
    if (exchange->parser.expects_continue && exchange->parser.has_body && connection->input_length == 0)
        response_send_continue(connection);
}

static void take_request(struct connection *connection)
{
    struct http_server *server = connection->server;
    connection_enter(connection, CONNECTION_ANSWER);
    server->handler.on_request(server->handler.context, connection->exchange);
}

static bool begin_exchange(struct connection *connection)
{
    connection->exchange = exchange_begin(connection->server, connection);
    if (!connection->exchange) {
        connection_close(connection);
        return false;
    }
    connection_enter(connection, CONNECTION_HEAD);
    return true;
}

/* Empty lines before a request are no part of it (RFC 9112, 2.2). */
static void skip_empty_lines(struct connection *connection)
{
    while (connection->input_length > 0 && (*connection->input == '\r' || *connection->input == '\n')) {
        connection->input++;
        connection->input_length--;
    }
}

/* One step on with the input. False: it can't go on now. */
static bool parse_step(struct connection *connection)
{
    if (connection->state == CONNECTION_IDLE) {
        skip_empty_lines(connection);
        if (connection->input_length == 0 || !begin_exchange(connection))
            return false;
    }
    if (connection->state != CONNECTION_HEAD && connection->state != CONNECTION_BODY)
        return false;

    struct parser *parser = &connection->exchange->parser;
    size_t used;
    enum parse_result result = parser_feed(parser, connection->input, connection->input_length, &used);
    connection->input += used;
    connection->input_length -= used;
    switch (result) {
    case PARSE_MORE:
        return connection->input_length > 0;
    case PARSE_HEAD:
        take_head(connection);
        return true;
    case PARSE_DONE:
        take_request(connection);
        return true;
    case PARSE_REFUSED:
        break;
    }
    char reason[sizeof parser->reason];
    memcpy(reason, parser->reason, sizeof reason);
    response_refuse(connection, parser->status, reason);
    return false;
}

/* Keeps what parse_input() left, which may be a tail of what was kept before. */
static void keep_rest(struct connection *connection, bool was_kept)
{
    bool waits = connection->state == CONNECTION_ANSWER ||
                 (connection->state == CONNECTION_WRITE && !connection->closes_after);
    if (!waits || connection->input_length == 0) {
        buf_free(&connection->unread);
        connection->unread_at = 0;
    } else if (was_kept) {
        connection->unread_at = connection->unread.length - connection->input_length;
    } else {
        buf_append(&connection->unread, connection->input, connection->input_length);
        if (!buf_ok(&connection->unread))
            connection_close(connection);
    }
}

static void parse_input(struct connection *connection, const char *bytes, size_t length)
{
    bool was_kept = connection->unread.bytes != NULL;
    connection->is_parsing = true;
    connection->input = bytes;
    connection->input_length = length;
    while (parse_step(connection))
        continue;
    connection->is_parsing = false;
    if (connection->state != CONNECTION_CLOSED)
        keep_rest(connection, was_kept);
}

/* --- Events */

/* Input that came while an answer is awaited: of a next request. */
static void keep_input(struct connection *connection, const char *bytes, size_t length)
{
    struct buf *unread = &connection->unread;
    if (connection->unread_at > 0) {
        memmove(unread->bytes, unread->bytes + connection->unread_at, unread_length(connection));
        unread->length -= connection->unread_at;
        connection->unread_at = 0;
    }
    buf_append(unread, bytes, length);
    if (!buf_ok(unread))
        connection_close(connection);
}

/* The client has shut its sending side, or left: only after a whole request does it matter which. */
static void on_input_end(struct connection *connection)
{
    if (connection->state != CONNECTION_ANSWER) {
        connection_close(connection);
        return;
    }
    connection->has_ended = true;
    start_probe(connection);
}

static void read_input(struct connection *connection)
{
    struct http_server *server = connection->server;
    bool keeps = connection->state == CONNECTION_ANSWER;
    size_t room = keeps ? UNREAD_BYTES - unread_length(connection) : sizeof server->input;
    if (room == 0)
        return;
    ssize_t length = recv(connection->fd, server->input, room, 0);
    if (length < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            connection_close(connection);
    } else if (length == 0) {
        on_input_end(connection);
    } else if (keeps) {
        keep_input(connection, server->input, (size_t)length);
    } else if (connection->state != CONNECTION_LINGER) {
        parse_input(connection, server->input, (size_t)length);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;
    if (status < 0 || (events & UV_PRIORITIZED)) {
        connection_close(connection);
        return;
    }
    if ((events & UV_WRITABLE) && connection->state == CONNECTION_WRITE)
        response_continue(connection);
    else if ((events & UV_READABLE) && connection->state != CONNECTION_WRITE)
        read_input(connection);
    connection_watch(connection);
}

/* --- Deadlines */

void connection_expired_idle(struct http_server *server, struct deadline *deadline)
{
    (void)server;
    struct connection *connection = container_of(deadline, struct connection, deadline);
    unsigned answers = connection->answers;
    /* A request may have come since the loop last looked. */
    if (connection_has_input(connection))
        read_input(connection);
    if (connection->state == CONNECTION_IDLE && connection->answers == answers)
        connection_close(connection);
    connection_watch(connection);
}

void connection_expired_reading(struct http_server *server, struct deadline *deadline)
{
    struct connection *connection = container_of(deadline, struct connection, deadline);
    const char *part = connection->state == CONNECTION_HEAD ? "header" : "body";
    int ms = connection->state == CONNECTION_HEAD ? server->options.header_ms : server->options.body_ms;
    char message[100];
    snprintf(message, sizeof message, "the %s of the request did not come within %u ms", part, ms);
    response_refuse(connection, 408, message);
    connection_watch(connection);
}

void connection_expired_request(struct http_server *server, struct deadline *deadline)
{
    struct connection *connection = container_of(deadline, struct connection, deadline);
    unsigned answers = connection->answers;
    server->handler.on_deadline(server->handler.context, connection->exchange);
    if (connection->state == CONNECTION_ANSWER && connection->answers == answers)
        response_refuse(connection, 504, "the answer was not ready in time");
    connection_watch(connection);
}

void connection_expired_write(struct http_server *server, struct deadline *deadline)
{
    (void)server;
    struct connection *connection = container_of(deadline, struct connection, deadline);
    /* A reset, so that the kernel keeps nothing for a client that does not read. */
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    connection_close(connection);
}

void connection_expired_linger(struct http_server *server, struct deadline *deadline)
{
    (void)server;
    connection_close(container_of(deadline, struct connection, deadline));
}

/* Has the client left, or does it still read? Nothing but bytes can tell: a closed socket answers them with a
 * reset, and a client that reads must take an interim answer that it did not ask for (RFC 9110, 15.2). */
void connection_expired_probe(struct http_server *server, struct deadline *deadline)
{
    (void)server;
    response_send_continue(container_of(deadline, struct connection, probe));
}
