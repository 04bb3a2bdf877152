/* The listening sockets. They are watched by uv_poll_t and not by uv_tcp_t, whose newer versions accept one
 * connection a pass of the loop: under load that starves new clients. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/internal.h"

enum {
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
    BURST = 128,    /* accepted in one pass of the loop, at most */
    /* So many connections over the maximum are told so at a time; more are closed without a word. */
    REFUSED_AT_ONCE = 128,
};

static int try_listen(const struct addrinfo *address)
{
    const int on = 1;
    int fd =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -1;
    /* Accepted sockets inherit TCP_NODELAY. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

int accept_port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char port[8];
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof port, NI_NUMERICSERV) != 0)
        return 0;
    return atoi(port);
}

static bool explain_failure(const char *host, int port, int number, struct error *err)
{
    if (number == EADDRINUSE)
        return error_set(
            err, ERR_ADDRESS_IN_USE,
            "%s port %d is in use by another program: stop it, or choose another port (0 picks a free one)",
            host, port);
    if (number == EACCES)
        return error_set(err, ERR_PERMISSION,
                         "the system refuses port %d to this user: choose one above 1023", port);
    if (number == EADDRNOTAVAIL)
        return error_set(
            err, ERR_NOT_FOUND,
            "no network interface of this machine has the address %s: 127.0.0.1 and 0.0.0.0 always work",
            host);
    return error_set_errno(err, number, "listening on %s port %d", host, port);
}

static bool listen_on(struct http_server *server, int port, struct listener *listener, struct error *err)
{
    const char *host = server->options.host;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    char text[16];
    if (port < 0 || port > 65535)
        return error_set(err, ERR_USAGE, "port %d: 0 to 65535 is right", port);
    snprintf(text, sizeof text, "%d", port);
    int unresolved = getaddrinfo(host, text, &hints, &found);
    if (unresolved != 0)
        return error_set(err, ERR_NOT_FOUND, "no address for host %s: %s", host, gai_strerror(unresolved));
    int number = 0;
    for (const struct addrinfo *address = found; address && listener->fd < 0; address = address->ai_next) {
        listener->fd = try_listen(address);
        if (listener->fd < 0)
            number = errno;
    }
    freeaddrinfo(found);
    if (listener->fd < 0)
        return explain_failure(host, port, number, err);
    int code = uv_poll_init(&server->loop, &listener->poll, listener->fd);
    if (code != 0) {
        close(listener->fd);
        listener->fd = -1;
        return error_set(err, ERR_IO, "the event loop can't watch the listening socket: %s",
                         uv_strerror(code));
    }
    listener->poll.data = server;
    return true;
}

bool accept_listen(struct http_server *server, struct error *err)
{
    int second = server->options.second_port;
    if (!listen_on(server, server->options.port, &server->listeners[0], err) ||
        (second && !listen_on(server, second, &server->listeners[1], err)))
        return false;
    server->port = accept_port_of(server->listeners[0].fd);
    server->second_port = second;
    return true;
}

/* Out of descriptors or memory: what waits in the queue may be taken later. */
static void pause_accepting(struct http_server *server, int number)
{
    if (!server->accept_failed)
        log_warn("no connection can be accepted for now: %s; trying again", strerror(number));
    server->accept_failed = true;
    for (int i = 0; i < 2; i++)
        if (server->listeners[i].fd >= 0)
            uv_poll_stop(&server->listeners[i].poll);
    deadline_start(server, DEADLINE_ACCEPT_AGAIN, &server->accept_deadline);
}

/* False: nothing is left to accept, or nothing can be. */
static bool accept_one(struct http_server *server, const struct listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return false;
        if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO || errno == EPERM)
            return true;
        pause_accepting(server, errno);
        return false;
    }
    server->accept_failed = false;
    int maximum = server->options.max_connections;
    if (server->connection_count >= maximum + REFUSED_AT_ONCE)
        close(fd);
    else
        connection_open(server, fd, server->connection_count >= maximum);
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct http_server *server = poll->data;
    const struct listener *listener = container_of(poll, struct listener, poll);
    (void)status;
    (void)events;
    for (int i = 0; i < BURST && accept_one(server, listener); i++)
        continue;
}

bool accept_start(struct http_server *server)
{
    bool started = true;
    for (int i = 0; i < 2; i++)
        if (server->listeners[i].fd >= 0)
            started = uv_poll_start(&server->listeners[i].poll, UV_READABLE, on_acceptable) == 0 && started;
    return started;
}

void accept_expired(struct http_server *server, struct deadline *deadline)
{
    (void)deadline;
    accept_start(server);
}

void accept_all(struct http_server *server)
{
    for (int i = 0; i < 2; i++)
        while (server->listeners[i].fd >= 0 && accept_one(server, &server->listeners[i]))
            continue;
}

void accept_stop(struct http_server *server)
{
    deadline_stop(&server->accept_deadline);
    for (int i = 0; i < 2; i++) {
        if (server->listeners[i].fd < 0)
            continue;
        uv_close((uv_handle_t *)&server->listeners[i].poll, NULL);
        close(server->listeners[i].fd);
        server->listeners[i].fd = -1;
    }
}
