/* The parser alone: every split of the bytes gives the same request, and limits hold to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/parse.h"

static const struct parse_limits roomy = {.head_bytes = 4096, .fields = 20, .body_bytes = 1000};

struct outcome {
    enum parse_result result;
    int status, heads;
    size_t taken;
    char summary[600];
};

static void summarise(const struct parser *parser, char *out, size_t size)
{
    const char *field = parser_field(parser, "x-test");
    snprintf(out, size, "%s %s ? %s, x-test %s, body %zu %.*s, keep %d", parser->method, parser->path,
             parser->query, field ? field : "-", parser->body.length, (int)parser->body.length,
             parser->body.bytes ? parser->body.bytes : "", parser->keep_alive);
}

/* Feeds bytes[0..length) in pieces of `piece`, the first of `first` (either 0: the whole). */
static struct outcome feed(struct parser *parser, const char *bytes, size_t length, size_t first,
                           size_t piece)
{
    struct outcome outcome = {.result = PARSE_MORE};
    size_t at = 0, end = first ? first : piece ? piece : length;
    while (outcome.result == PARSE_MORE || outcome.result == PARSE_HEAD) {
        size_t used;
        outcome.result = parser_feed(parser, bytes + at, end - at, &used);
        at += used;
        outcome.heads += outcome.result == PARSE_HEAD;
        if (outcome.result == PARSE_MORE && at == end) {
            if (end == length)
                break;
            end = piece && length - end > piece ? end + piece : length;
        }
    }
    outcome.taken = at;
    outcome.status = parser->status;
    if (outcome.result == PARSE_DONE)
        summarise(parser, outcome.summary, sizeof outcome.summary);
    return outcome;
}

static struct outcome feed_new(const struct parse_limits *limits, const char *bytes, size_t length,
                               size_t first, size_t piece)
{
    struct parser parser;
    parser_init(&parser, limits);
    struct outcome outcome = feed(&parser, bytes, length, first, piece);
    parser_free(&parser);
    return outcome;
}

static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a%20b?c=%20d HTTP/1.1\r\nHost: x\r\nX-Test:  one two \t\r\nX-Test: three\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: x\r\nX-Test:\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.0\r\nX-Test: \r\nContent-Length: 5\r\n\r\nhello",
    ("POST http://h:1/a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2;a=b;c=\"d\"\r\nhe\r\n003\r\nllo\r\n0\r\nContent-Type: x\r\nX-Test: trailer\r\n\r\n"),
    "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
    "GET /a RTSP/1.0\r\nHost: x\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n",
};

static void a_request_is_the_same_however_its_bytes_are_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        size_t length = strlen(requests[i]);
        struct outcome whole = feed_new(&roomy, requests[i], length, 0, 0);
        assert_true(whole.result == PARSE_DONE || whole.result == PARSE_REFUSED);
        for (size_t split = 1; split <= length; split++) {
            struct outcome two = feed_new(&roomy, requests[i], length, split, 0);
            struct outcome many = feed_new(&roomy, requests[i], length, split, 1 + split % 5);
            assert_int_equal(two.result, whole.result);
            assert_int_equal(two.status, whole.status);
            assert_int_equal(two.heads, whole.heads);
            assert_string_equal(two.summary, whole.summary);
            assert_int_equal(many.result, whole.result);
            assert_int_equal(many.status, whole.status);
            assert_string_equal(many.summary, whole.summary);
        }
    }
}

static void assert_done(const char *request, const char *summary)
{
    struct outcome outcome = feed_new(&roomy, request, strlen(request), 0, 0);
    assert_int_equal(outcome.result, PARSE_DONE);
    assert_int_equal(outcome.heads, 1);
    assert_int_equal(outcome.taken, strlen(request));
    assert_string_equal(outcome.summary, summary);
}

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    assert_done(requests[0], "GET / ? , x-test -, body 0 , keep 1");
    assert_done(requests[1], "GET /a b ? c=%20d, x-test one two, body 0 , keep 1");
    assert_done(requests[2], "POST /a ? , x-test , body 5 hello, keep 1");
    assert_done(requests[3], "POST /a ? , x-test , body 5 hello, keep 0");
    assert_done(requests[4], "POST /a ? b, x-test -, body 5 hello, keep 1");
    assert_done(requests[5], "HEAD / ? , x-test -, body 0 , keep 0");
    assert_done(requests[6], "OPTIONS * ? , x-test -, body 0 , keep 1");
}

static void what_follows_a_request_is_not_taken(void **state)
{
    (void)state;
    char two[1000];
    for (int i = 0; i < 7; i++) {
        snprintf(two, sizeof two, "%s%s", requests[i], requests[0]);
        struct outcome outcome = feed_new(&roomy, two, strlen(two), 0, 0);
        assert_int_equal(outcome.result, PARSE_DONE);
        assert_int_equal(outcome.taken, strlen(requests[i]));
    }
}

static void a_parser_can_be_used_again_after_any_request(void **state)
{
    (void)state;
    struct parser parser;
    parser_init(&parser, &roomy);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        feed(&parser, requests[i], strlen(requests[i]), 0, 0);
        parser_reset(&parser, i % 2 ? 0 : 65536);
        struct outcome outcome = feed(&parser, requests[2], strlen(requests[2]), 0, 0);
        assert_string_equal(outcome.summary, "POST /a ? , x-test , body 5 hello, keep 1");
        parser_reset(&parser, 65536);
    }
    parser_free(&parser);
}

static void the_limit_of_the_head_holds_to_the_byte(void **state)
{
    (void)state;
    const char *request = requests[2];
    size_t length = strlen(request), head = length - strlen("hello");
    for (size_t piece = 0; piece < 9; piece++) {
        struct parse_limits limits = {.head_bytes = head, .fields = 3, .body_bytes = 5};
        assert_int_equal(feed_new(&limits, request, length, 0, piece).result, PARSE_DONE);
        limits.head_bytes = head - 1;
        assert_int_equal(feed_new(&limits, request, length, 0, piece).status, 431);
        limits.head_bytes = strlen("POST /");
        assert_int_equal(feed_new(&limits, request, length, 0, piece).status, 414);
    }
}

static void the_limits_of_fields_and_body_hold(void **state)
{
    (void)state;
    const char *declared = requests[2], *in_chunks = requests[4];
    struct parse_limits limits = {.head_bytes = 4096, .fields = 2, .body_bytes = 5};
    assert_int_equal(feed_new(&limits, declared, strlen(declared), 0, 0).status, 431);
    /* Two fields of the head and two of the trailers. */
    limits.fields = 3;
    assert_int_equal(feed_new(&limits, in_chunks, strlen(in_chunks), 0, 0).status, 431);
    limits.fields = 4;
    assert_int_equal(feed_new(&limits, in_chunks, strlen(in_chunks), 0, 0).result, PARSE_DONE);
    limits.body_bytes = 4;
    struct outcome outcome = feed_new(&limits, declared, strlen(declared), 0, 0);
    assert_int_equal(outcome.status, 413);
    assert_int_equal(outcome.heads, 0);
    outcome = feed_new(&limits, in_chunks, strlen(in_chunks), 0, 0);
    assert_int_equal(outcome.status, 413);
    assert_int_equal(outcome.heads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_same_however_its_bytes_are_split),
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(what_follows_a_request_is_not_taken),
        cmocka_unit_test(a_parser_can_be_used_again_after_any_request),
        cmocka_unit_test(the_limit_of_the_head_holds_to_the_byte),
        cmocka_unit_test(the_limits_of_fields_and_body_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
