#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/json.h"
#include "unit.h"

enum { DEPTH = 8 };

static struct arena arena;

static yyjson_doc *read_text(const char *text, struct error *err)
{
    arena_reset(&arena);
    return json_read(text, strlen(text), DEPTH, &arena, err);
}

static void an_error_has_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"{\"a\": 1,\n \"b\": }", "line 2 column 7"},
        {"", "line 1 column 1"},
        {"{\"\xC3\xA9\": x}", "line 1 column 7"}, /* columns count characters, not bytes */
        {"[1,2] 3", "line 1 column 7"},
        {"[[[[[[[[[1]]]]]]]]]", "nested deeper than 8 levels"},
        {"{\"k\":1,\"x\":{},\"k\":2}", "the key \"k\" stands twice"},
        {"{\"outer\":{\"k\":1,\"k\":2}}", "the key \"k\" stands twice"},
    };
    struct error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(read_text(cases[i].text, &err));
        assert_int_equal(err.kind, ERR_BAD_JSON);
        if (!strstr(err.message, cases[i].words))
            fail_msg("\"%s\" lacks \"%s\"", err.message, cases[i].words);
    }
}

static void what_is_no_strict_json_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"NaN",       "[1,]",     "{'a':1}",     "// c\n1",
                                        "\"\x01\"",  "\"\xFF\"", "\"\\ud800\"", "\xEF\xBB\xBF{}",
                                        "{\"a\" 1}", "01",       "[1"};
    struct error err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_null(read_text(texts[i], &err));
}

static void brackets_in_strings_are_no_nesting(void **state)
{
    (void)state;
    struct error err;
    assert_non_null(read_text("[\"[[[[[[[[[[[\\\"[[[[[[[[[\", {\"a\": \"{{{{{{{{{{{{{\"}]", &err));
}

static void a_ceiling_of_memory_is_an_error_not_a_crash(void **state)
{
    (void)state;
    struct arena small;
    struct error err;
    char text[4001];
    memset(text, '[', 1);
    for (size_t i = 1; i < 3999; i += 2)
        memcpy(text + i, "1,", 2);
    memcpy(text + 3998, "]", 2);
    arena_init(&small, 0, 8000);
    assert_null(json_read(text, 3999, DEPTH, &small, &err));
    assert_true(err.kind == ERR_NO_MEMORY || err.kind == ERR_BAD_JSON);
    arena_free(&small);
}

static void strings_are_escaped_and_bad_bytes_replaced(void **state)
{
    (void)state;
    static const char text[] = "a\"\\\n\t\x01\0\x7F\xC3\xA9\xFFz";
    struct buf out;
    buf_init(&out);
    json_put_string(&out, text, sizeof text - 1);
    assert_string_equal(out.bytes, "\"a\\\"\\\\\\n\\t\\u0001\\u0000\\u007f\xC3\xA9\xEF\xBF\xBDz\"");
    buf_free(&out);
}

static void assert_float(float value, const char *want)
{
    struct buf out;
    buf_init(&out);
    json_put_float(&out, value);
    assert_string_equal(out.bytes, want);
    buf_free(&out);
}

static void floats_are_the_shortest_text_that_reads_back(void **state)
{
    (void)state;
    assert_float(0.1f, "0.1");
    assert_float(1.0f, "1.0");
    assert_float(-0.0f, "-0.0");
    assert_float(0.9979804f, "0.9979804");
    assert_float(1e-20f, "1e-20");
    assert_float(16777216.0f, "16777216.0");
    assert_float(NAN, "null");
    assert_float(INFINITY, "null");
}

static void every_float_reads_back_to_itself(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 100000; i++) {
        float value, back;
        bits = bits * 1664525u + 1013904223u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        struct buf out;
        buf_init(&out);
        json_put_float(&out, value);
        back = strtof(out.bytes, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        buf_free(&out);
    }
}

/* By printf and strtof alone: the text of the least precision that reads back. */
static void put_plainly(float value, char out[32])
{
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(out, 32, "%.*g", precision, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
    if (!strpbrk(out, ".e"))
        strcat(out, ".0");
}

static void assert_as_printf(float value)
{
    char want[32], got[DECIMAL_SIZE + 1];
    put_plainly(value, want);
    got[decimal_put(value, got)] = '\0';
    assert_string_equal(got, want);
}

static void a_float_is_written_as_printf_would(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 400000; i++) {
        float value;
        bits = bits * 1664525u + 1013904223u;
        /* One in four has any exponent, the others those of scores and embeddings: 2^-31 to 1. */
        uint32_t word = i % 4 ? (bits & 0x80FFFFFFu) | (96 + (bits >> 24 & 31)) << 23 : bits;
        memcpy(&value, &word, sizeof value);
        if (isfinite(value))
            assert_as_printf(value);
    }
}

static void floats_beside_powers_of_ten_and_of_two_are_written_as_printf_would(void **state)
{
    (void)state;
    for (int exponent = -45; exponent <= 38; exponent++) {
        float value = (float)pow(10, exponent), near = value;
        for (int i = 0; i < 50; i++, near = nextafterf(near, INFINITY))
            assert_as_printf(near);
        for (int i = 0; i < 50 && value > 0; i++, value = nextafterf(value, 0))
            assert_as_printf(-value);
    }
    for (int exponent = -149; exponent < 128; exponent++)
        for (int i = -1; i <= 1; i++)
            assert_as_printf(i ? nextafterf(ldexpf(1, exponent), (float)i * INFINITY) : ldexpf(1, exponent));
    for (int i = 0; i < 200000; i++)
        assert_as_printf((float)i / 8);
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_has_line_and_column),
        cmocka_unit_test(what_is_no_strict_json_is_refused),
        cmocka_unit_test(brackets_in_strings_are_no_nesting),
        cmocka_unit_test(a_ceiling_of_memory_is_an_error_not_a_crash),
        cmocka_unit_test(strings_are_escaped_and_bad_bytes_replaced),
        cmocka_unit_test(floats_are_the_shortest_text_that_reads_back),
        cmocka_unit_test(every_float_reads_back_to_itself),
        cmocka_unit_test(a_float_is_written_as_printf_would),
        cmocka_unit_test(floats_beside_powers_of_ten_and_of_two_are_written_as_printf_would),
    };
    arena_init(&arena, 0, SIZE_MAX);
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
