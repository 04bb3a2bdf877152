/* arena, buf, error, suggest, stats, utf8, file, host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/host.h"
#include "base/stats.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "unit.h"

static void pieces_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0, SIZE_MAX);
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc_aligned(&arena, i * 7, 64);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 64, 0);
        memset(pieces[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t at = 0; at < i * 7; at++)
            assert_int_equal(pieces[i][at], i);
    arena_free(&arena);
}

static void an_arena_never_passes_its_limit(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0, 10000);
    size_t got = 0;
    while (arena_alloc(&arena, 100))
        got += 100;
    assert_true(got >= 8000 && got <= 10000);
    assert_true(arena.refused);
    arena_reset(&arena);
    assert_false(arena.refused);
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 4));
    arena_free(&arena);
}

static void equal_work_soon_fits_one_chunk_that_is_kept(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, SIZE_MAX);
    for (int round = 0; round < 4; round++) {
        arena_reset(&arena);
        struct arena_chunk *before = arena.chunks;
        for (int i = 0; i < 100; i++)
            assert_non_null(arena_alloc(&arena, 1000));
        if (round >= 2)
            assert_ptr_equal(arena.chunks, before);
    }
    arena_free(&arena);
}

static void growing_keeps_the_content(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0, SIZE_MAX);
    char *text = arena_strndup(&arena, "linnet", 6);
    char *same = arena_grow(&arena, text, 7, 100);
    assert_ptr_equal(same, text);
    assert_non_null(arena_alloc(&arena, 1));
    char *moved = arena_grow(&arena, same, 100, 100000);
    assert_ptr_not_equal(moved, same);
    assert_string_equal(moved, "linnet");
    arena_free(&arena);
}

static void a_buffer_grows_and_stays_a_string(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "%d,", i);
    assert_true(buf_ok(&buf));
    assert_int_equal(strlen(buf.bytes), buf.length);
    buf_clear(&buf);
    assert_string_equal(buf.bytes, "");
    assert_false(buf_reserve(&buf, SIZE_MAX - 1));
    assert_false(buf_ok(&buf));
    buf_puts(&buf, "nothing");
    assert_int_equal(buf.length, 0);
    buf_free(&buf);
}

static void a_buffer_never_passes_its_limit(void **state)
{
    (void)state;
    struct buf buf;
    buf_init_limited(&buf, 10);
    buf_puts(&buf, "0123456789");
    assert_true(buf_ok(&buf));
    buf_putc(&buf, 'x');
    assert_true(buf.failed && buf.overfull);
    assert_string_equal(buf.bytes, "0123456789");
    buf_clear(&buf);
    assert_true(buf_ok(&buf));
    buf_free(&buf);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    struct error err;
    char text[1200] = "";
    for (int i = 0; i < 390; i++)
        strcat(text, "\xE2\x82\xAC");
    for (int shift = 0; shift < 3; shift++) {
        error_set(&err, ERR_IO, "%.*s%s", shift, "ab", text);
        assert_true(utf8_valid(err.message, strlen(err.message)));
        assert_true(strlen(err.message) > sizeof err.message - 5);
        error_prefix(&err, "prefix");
        assert_true(utf8_valid(err.message, strlen(err.message)));
        assert_memory_equal(err.message, "prefix: ", 8);
    }
}

static void a_message_stays_one_line_of_utf8_whatever_it_quotes(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERR_BAD_MODEL, "is \"%.4s\", \"%s\"", "b\xC3\xA9\xC3\xA9", "x\n\x1B[31m\xFFy\x7F");
    assert_string_equal(err.message, "is \"b\xC3\xA9?\", \"x  [31m?y \"");
}

static void errno_picks_the_kind(void **state)
{
    (void)state;
    struct error err;
    assert_false(error_set_errno(&err, ENOENT, "opening %s", "x"));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_string_equal(err.message, "opening x: No such file or directory");
    assert_string_equal(error_kind_name(err.kind), "not_found");
    error_set_errno(&err, EADDRINUSE, "binding");
    assert_int_equal(err.kind, ERR_ADDRESS_IN_USE);
}

static void the_nearest_word_is_suggested_or_none(void **state)
{
    (void)state;
    static const char *const words[] = {"serve", "run", "tokenize", "info"};
    assert_string_equal(suggest_nearest("serv", words, 4), "serve");
    assert_string_equal(suggest_nearest("tokenise", words, 4), "tokenize");
    assert_string_equal(suggest_nearest("rum", words, 4), "run");
    assert_null(suggest_nearest("completely-else", words, 4));
    assert_null(suggest_nearest("x", words, 0));
}

static void a_value_on_a_bound_is_in_its_bucket(void **state)
{
    (void)state;
    static struct histogram histogram;
    histogram_init_counts(&histogram);
    histogram_add_count(&histogram, 1);
    histogram_add_count(&histogram, 2);
    histogram_add_count(&histogram, 3);
    histogram_add_count(&histogram, 1000000);
    assert_int_equal(histogram.counts[0], 1);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[2], 1);
    assert_int_equal(histogram.counts[histogram.bound_count], 1);
    assert_int_equal(histogram.sum, 1000006);
}

static void utf8_is_what_rfc_3629_says(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "a", "\xC2\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\xAF",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE2\x82",
                                      "\xFF"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
    assert_true(utf8_valid("a\0b", 3));
}

static void files_are_mapped_empty_ones_too(void **state)
{
    (void)state;
    char path[] = "/tmp/linnet-unit-XXXXXX";
    struct blob blob;
    struct error err;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(file_map(path, &blob, &err));
    assert_non_null(blob.bytes);
    assert_int_equal(blob.size, 0);
    file_unmap(&blob);
    assert_int_equal(write(fd, "linnet", 6), 6);
    close(fd);
    assert_true(file_map(path, &blob, &err));
    assert_memory_equal(blob.bytes, "linnet", 6);
    blob_drop_pages(blob);
    assert_memory_equal(blob.bytes, "linnet", 6);
    file_unmap(&blob);
    unlink(path);
    assert_false(file_map(path, &blob, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(file_map("/tmp", &blob, &err));
    assert_non_null(strstr(err.message, "not a regular file"));
}

static void the_machine_has_a_name_and_a_core(void **state)
{
    (void)state;
    assert_true(strlen(host_cpu_name()) > 0);
    assert_true(host_cores() >= 1);
    const struct host_isa *isa = host_isa();
    assert_true(!isa->avx512_vnni || isa->avx512);
    assert_true(!isa->avx512 || isa->avx2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
        cmocka_unit_test(an_arena_never_passes_its_limit),
        cmocka_unit_test(equal_work_soon_fits_one_chunk_that_is_kept),
        cmocka_unit_test(growing_keeps_the_content),
        cmocka_unit_test(a_buffer_grows_and_stays_a_string),
        cmocka_unit_test(a_buffer_never_passes_its_limit),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(a_message_stays_one_line_of_utf8_whatever_it_quotes),
        cmocka_unit_test(errno_picks_the_kind),
        cmocka_unit_test(the_nearest_word_is_suggested_or_none),
        cmocka_unit_test(a_value_on_a_bound_is_in_its_bucket),
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(files_are_mapped_empty_ones_too),
        cmocka_unit_test(the_machine_has_a_name_and_a_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
