#include "base/frame.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/stats.h"

static const unsigned char magic[4] = {'L', 'N', 'F', FRAME_PROTOCOL};

static void put_u32(unsigned char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get_u32(const unsigned char *bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

/* Waits until the socket is ready for `events`. */
static bool wait_ready(int fd, short events, uint64_t deadline_ns, struct error *err)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        int timeout = -1;
        if (deadline_ns) {
            uint64_t now = clock_ns();
            if (now >= deadline_ns)
                return error_set(err, ERR_DEADLINE, "no whole frame in time");
            uint64_t ms = (deadline_ns - now) / 1000000 + 1;
            timeout = ms > INT_MAX ? INT_MAX : (int)ms;
        }
        int ready = poll(&poll_fd, 1, timeout);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return error_set_errno(err, errno, "waiting for a socket");
    }
}

static bool send_all(int fd, struct iovec parts[2], uint64_t deadline_ns, struct error *err)
{
    size_t left = parts[0].iov_len + parts[1].iov_len;
    while (left > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_ready(fd, POLLOUT, deadline_ns, err))
                return false;
            continue;
        }
        if (sent < 0)
            return error_set_errno(err, errno, "writing a frame");
        left -= (size_t)sent;
        for (int i = 0; i < 2; i++) {
            size_t used = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + used;
            parts[i].iov_len -= used;
            sent -= (ssize_t)used;
        }
    }
    return true;
}

bool frame_write(int fd, enum frame_type type, const void *payload, size_t length, uint64_t deadline_ns,
                 struct error *err)
{
    unsigned char header[FRAME_HEADER_SIZE];
    if (length > FRAME_MAX_PAYLOAD)
        return error_set(err, ERR_TOO_LONG, "a frame of %zu bytes, at most %d are sent", length,
                         FRAME_MAX_PAYLOAD);
    memcpy(header, magic, sizeof magic);
    put_u32(header + 4, (uint32_t)type);
    put_u32(header + 8, (uint32_t)length);
    struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)payload, length}};
    return send_all(fd, parts, deadline_ns, err);
}

static bool receive_all(int fd, void *out, size_t length, uint64_t deadline_ns, struct error *err)
{
    size_t got = 0;
    while (got < length) {
        ssize_t received = recv(fd, (char *)out + got, length - got, MSG_DONTWAIT);
        if (received == 0)
            return error_set(err, ERR_IO, "the other side closed the socket");
        if (received > 0) {
            got += (size_t)received;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return error_set_errno(err, errno, "reading a frame");
        if (!wait_ready(fd, POLLIN, deadline_ns, err))
            return false;
    }
    return true;
}

bool frame_read(int fd, enum frame_type *type, struct buf *payload, uint64_t deadline_ns, struct error *err)
{
    unsigned char header[FRAME_HEADER_SIZE];
    if (!receive_all(fd, header, sizeof header, deadline_ns, err))
        return false;
    uint32_t length = get_u32(header + 8);
    if (memcmp(header, magic, sizeof magic) != 0)
        return error_set(err, ERR_IO, "%02x %02x %02x %02x begins no frame, want \"LNF\" and version %d",
                         header[0], header[1], header[2], header[3], FRAME_PROTOCOL);
    if (length > FRAME_MAX_PAYLOAD)
        return error_set(err, ERR_IO, "a frame of %u bytes came, at most %d are taken", (unsigned)length,
                         FRAME_MAX_PAYLOAD);
    buf_clear(payload);
    if (!buf_reserve(payload, length))
        return error_set(err, ERR_NO_MEMORY, "no memory for a frame of %u bytes", (unsigned)length);
    if (!receive_all(fd, payload->bytes, length, deadline_ns, err))
        return false;
    payload->length = length;
    payload->bytes[length] = '\0';
    *type = (enum frame_type)get_u32(header + 4);
    return true;
}
