#include "base/frame.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/stats.h"
#include "unit.h"

enum { LARGE = 4 << 20 };

static int pair[2];

static int open_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static int close_pair(void **state)
{
    (void)state;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

static uint64_t soon(void)
{
    return clock_ns() + 20000000;
}

static void *write_large(void *payload)
{
    struct error err;
    return frame_write(pair[0], FRAME_BATCH, payload, LARGE, 0, &err) ? payload : NULL;
}

static void a_frame_larger_than_the_sockets_buffer_arrives_whole(void **state)
{
    (void)state;
    struct error err;
    enum frame_type type;
    struct buf got;
    pthread_t writer;
    void *written;
    char *sent = malloc(LARGE);
    assert_non_null(sent);
    for (size_t i = 0; i < LARGE; i++)
        sent[i] = (char)(i * 31 >> 3);
    buf_init(&got);
    assert_int_equal(pthread_create(&writer, NULL, write_large, sent), 0);
    assert_true(frame_read(pair[1], &type, &got, 0, &err));
    pthread_join(writer, &written);
    assert_non_null(written);
    assert_int_equal(type, FRAME_BATCH);
    assert_int_equal(got.length, LARGE);
    assert_memory_equal(got.bytes, sent, LARGE);
    buf_free(&got);
    free(sent);
}

static void frames_keep_their_order_and_an_empty_one_is_a_frame(void **state)
{
    (void)state;
    struct error err;
    enum frame_type type;
    struct buf got;
    buf_init(&got);
    assert_true(frame_write(pair[0], FRAME_LOAD, "", 0, 0, &err));
    assert_true(frame_write(pair[0], FRAME_READY, "ready", 5, 0, &err));
    assert_true(frame_read(pair[1], &type, &got, 0, &err));
    assert_int_equal(type, FRAME_LOAD);
    assert_int_equal(got.length, 0);
    assert_true(frame_read(pair[1], &type, &got, 0, &err));
    assert_int_equal(type, FRAME_READY);
    assert_string_equal(got.bytes, "ready");
    buf_free(&got);
}

/* What frame_read() says of `bytes` and then the end of the stream, or silence. */
static enum error_kind kind_of(const void *bytes, size_t length, bool end)
{
    struct error err;
    enum frame_type type;
    struct buf got;
    buf_init(&got);
    assert_int_equal(write(pair[0], bytes, length), (ssize_t)length);
    if (end)
        shutdown(pair[0], SHUT_WR);
    bool read = frame_read(pair[1], &type, &got, soon(), &err);
    buf_free(&got);
    return read ? ERR_NONE : err.kind;
}

static void silence_in_a_frame_ends_at_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(kind_of("LNF\1\6\0\0\0\4\0\0\0ab", 14, false), ERR_DEADLINE);
}

static void the_streams_end_in_a_frame_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(kind_of("LNF\1\6\0\0\0\4\0\0\0ab", 14, true), ERR_IO);
}

static void bytes_that_begin_no_frame_of_this_version_are_refused(void **state)
{
    (void)state;
    assert_int_equal(kind_of("LNF\2\6\0\0\0\0\0\0\0", 12, false), ERR_IO);
}

static void a_length_past_the_limit_is_refused_before_memory_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(kind_of("LNF\1\6\0\0\0\1\0\0\x10", 12, false), ERR_IO);
}

static void a_payload_past_the_limit_is_not_written(void **state)
{
    (void)state;
    struct error err;
    char byte;
    assert_false(frame_write(pair[0], FRAME_BATCH, "", (size_t)FRAME_MAX_PAYLOAD + 1, 0, &err));
    assert_int_equal(err.kind, ERR_TOO_LONG);
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
}

static void a_writer_whose_reader_does_not_read_ends_at_the_deadline(void **state)
{
    (void)state;
    struct error err;
    char *large = calloc(1, LARGE);
    assert_non_null(large);
    assert_false(frame_write(pair[0], FRAME_BATCH, large, LARGE, soon(), &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    free(large);
}

static void a_writer_whose_reader_has_gone_gets_an_error_and_no_signal(void **state)
{
    (void)state;
    struct error err;
    shutdown(pair[1], SHUT_RDWR);
    assert_false(frame_write(pair[0], FRAME_BATCH, "a", 1, 0, &err));
    assert_int_equal(err.kind, ERR_IO);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(a_frame_larger_than_the_sockets_buffer_arrives_whole),
        WITH_PAIR(frames_keep_their_order_and_an_empty_one_is_a_frame),
        WITH_PAIR(silence_in_a_frame_ends_at_the_deadline),
        WITH_PAIR(the_streams_end_in_a_frame_is_an_error),
        WITH_PAIR(bytes_that_begin_no_frame_of_this_version_are_refused),
        WITH_PAIR(a_length_past_the_limit_is_refused_before_memory_is_asked_for),
        WITH_PAIR(a_payload_past_the_limit_is_not_written),
        WITH_PAIR(a_writer_whose_reader_does_not_read_ends_at_the_deadline),
        WITH_PAIR(a_writer_whose_reader_has_gone_gets_an_error_and_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
