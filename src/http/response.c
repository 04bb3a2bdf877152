#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/stats.h"
#include "http/internal.h"

/* --- Heads */

/* RFC 9110, 15; RFC 6585; RFC 4918 (424). Clients go by the number: one that is not here gets no words. */
static const char *status_words(int status)
{
    static const struct {
        int status;
        const char *words;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {424, "Failed Dependency"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].words;
    return "";
}

static void put_number(struct buf *out, size_t number)
{
    char digits[24], *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_append(out, at, (size_t)(digits + sizeof digits - at));
}

static void put_field(struct buf *out, const char *name, const char *value)
{
    buf_puts(out, name);
    buf_append(out, ": ", 2);
    buf_puts(out, value);
    buf_append(out, "\r\n", 2);
}

static const char *date_now(struct http_server *server)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != server->date_second) {
        static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        /* IMF-fixdate (RFC 9110, 5.6.7), whose names must not follow the locale. */
        strftime(server->date, sizeof server->date, "xxx, %d xxx %Y %H:%M:%S GMT", &utc);
        memcpy(server->date, days[utc.tm_wday], 3);
        memcpy(server->date + 8, months[utc.tm_mon], 3);
        server->date_second = now.tv_sec;
    }
    return server->date;
}

static void put_connection_field(struct connection *connection, struct buf *head)
{
    const struct http_exchange *exchange = connection->exchange;
    if (connection->closes_after)
        buf_puts(head, "Connection: close\r\n");
    else if (exchange && exchange->parser.is_http_1_0)
        buf_puts(head, "Connection: keep-alive\r\n");
}

static void put_head(struct connection *connection, const struct answer *answer, size_t body_length,
                     struct buf *head)
{
    struct http_server *server = connection->server;
    buf_puts(head, "HTTP/1.1 ");
    put_number(head, (size_t)answer->status);
    buf_putc(head, ' ');
    buf_puts(head, status_words(answer->status));
    buf_puts(head, "\r\n");
    if (answer->content_type)
        put_field(head, "Content-Type", answer->content_type);
    /* RFC 9110, 8.6: 204 must not have one. */
    if (answer->status != 204) {
        buf_puts(head, "Content-Length: ");
        put_number(head, body_length);
        buf_puts(head, "\r\n");
    }
    put_field(head, "Date", date_now(server));
    if (connection->exchange)
        put_field(head, "X-Request-Id", connection->exchange->id);
    for (size_t i = 0; i < answer->field_count; i++)
        put_field(head, answer->fields[i].name, answer->fields[i].value);
    cors_put_fields(connection, answer, put_field, head);
    put_connection_field(connection, head);
    buf_puts(head, "\r\n");
}

/* --- Writing */

/* What of `bytes` is left after `*sent` bytes of the whole; takes its share off *sent. */
static struct iovec rest_of(const struct buf *bytes, size_t *sent)
{
    size_t skipped = *sent < bytes->length ? *sent : bytes->length;
    *sent -= skipped;
    return (struct iovec){.iov_base = bytes->bytes + skipped, .iov_len = bytes->length - skipped};
}

enum write_result { WRITE_DONE, WRITE_LATER, WRITE_FAILED };

static enum write_result write_some(struct connection *connection)
{
    size_t total = connection->answer_head.length + connection->answer_body.length;
    while (connection->answer_sent < total) {
        size_t sent = connection->answer_sent;
        struct iovec parts[2];
        parts[0] = rest_of(&connection->answer_head, &sent);
        parts[1] = rest_of(&connection->answer_body, &sent);
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t written = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? WRITE_LATER : WRITE_FAILED;
        connection->answer_sent += (size_t)written;
    }
    return WRITE_DONE;
}

/* The head's memory goes back to the server, which lends it to every answer in turn. */
static void drop_answer(struct connection *connection)
{
    struct http_server *server = connection->server;
    if (server->head.bytes) {
        buf_free(&connection->answer_head);
    } else {
        server->head = connection->answer_head;
        buf_init(&connection->answer_head);
        buf_clear(&server->head);
    }
    buf_free(&connection->answer_body);
    connection->answer_sent = 0;
}

void response_continue(struct connection *connection)
{
    switch (write_some(connection)) {
    case WRITE_DONE:
        drop_answer(connection);
        connection_answered(connection);
        break;
    case WRITE_LATER:
        connection_watch(connection);
        break;
    case WRITE_FAILED:
        connection_close(connection);
        break;
    }
}

void response_send_continue(struct connection *connection)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    /* A client whose window has no room for this goes on without it after a while (RFC 9110, 10.1.1). */
    ssize_t sent = send(connection->fd, interim, sizeof interim - 1, MSG_NOSIGNAL);
    if (sent >= 0 && (size_t)sent < sizeof interim - 1)
        connection_close(connection);
}

/* --- Answers */

static void log_answer(const struct http_exchange *exchange, int status, size_t bytes, uint64_t duration_ns)
{
    struct buf fields;
    buf_init(&fields);
    const char *method = "-", *path = "-", *id = "-";
    if (exchange)
        id = exchange->id;
    if (exchange && exchange->parser.path) {
        method = exchange->parser.method;
        path = exchange->parser.path;
    }
    buf_puts(&fields, "\"method\":");
    json_put_string(&fields, method, strlen(method));
    buf_puts(&fields, ",\"path\":");
    json_put_string(&fields, path, strlen(path));
    buf_printf(&fields, ",\"status\":%d,\"bytes\":%zu,\"ms\":%.3f,\"request_id\":\"%s\"", status, bytes,
               (double)duration_ns * 1e-6, id);
    if (buf_ok(&fields))
        log_fields(LOG_INFO, fields.bytes, "request");
    buf_free(&fields);
}

/* NULL: no head of a request could be read. */
static struct http_exchange *exchange_with_head(const struct connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    return exchange && exchange->parser.head_done && exchange->parser.path ? exchange : NULL;
}

static void report(struct connection *connection, int status, size_t bytes)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = connection->exchange;
    uint64_t duration = exchange ? clock_ns() - exchange->begin_ns : 0;
    server->handler.on_answer(server->handler.context, exchange_with_head(connection), status, duration);
    if (server->options.access_log)
        log_answer(exchange, status, bytes, duration);
}

/* The last answer of a connection says so: because the client asked, because what follows can't be read,
 * because no more can come, or because the server drains and nothing more has come yet. */
static bool is_last(const struct connection *connection)
{
    const struct http_exchange *exchange = connection->exchange;
    if (!exchange || !exchange->parser.keep_alive)
        return true;
    if (connection->state == CONNECTION_HEAD && exchange->parser.has_body)
        return true;
    if (connection->state == CONNECTION_BODY)
        return true;
    return (connection->server->is_draining || connection->has_ended) && !connection_has_input(connection);
}

void response_send(struct connection *connection, const struct answer *answer, struct buf *body)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = connection->exchange;
    struct answer failed = {.status = 500, .closes = answer->closes};
    if (!buf_ok(body)) {
        answer = &failed;
        buf_free(body);
    }
    connection->answers++;
    if (exchange)
        exchange->is_answered = true;
    connection->closes_after = answer->closes || is_last(connection);
    struct buf head = server->head;
    buf_init(&server->head);
    put_head(connection, answer, body->length, &head);
    report(connection, answer->status, body->length);
    if (!buf_ok(&head)) {
        buf_free(&head);
        buf_free(body);
        connection_close(connection);
        return;
    }
    connection->answer_head = head;
    connection->answer_body = *body;
    buf_init(body);
    if (answer->status == 204 || (exchange && exchange->parser.machine.method == HTTP_HEAD))
        buf_free(&connection->answer_body);
    connection_enter(connection, CONNECTION_WRITE);
    response_continue(connection);
}

void response_refuse(struct connection *connection, int status, const char *message)
{
    struct http_server *server = connection->server;
    static const struct http_response_field retry = {"Retry-After", "1"};
    struct buf body;
    buf_init(&body);
    const char *type = server->handler.render_error(server->handler.context, exchange_with_head(connection),
                                                    status, message, &body);
    struct answer answer = {.status = status, .content_type = type, .closes = true};
    if (status == 503) {
        answer.fields = &retry;
        answer.field_count = 1;
    }
    response_send(connection, &answer, &body);
}
