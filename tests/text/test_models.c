/* BPE and Unigram tokenizers and the parts around them: what is refused, and how long a hostile text takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/stats.h"
#include "text/tokenizer.h"

static const char WRITTEN[] = "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}";
static const char BYTE_LEVEL[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}";
static const char METASPACE[] =
    "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\"}";
static const char BPE[] = "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"aa\":3,\"aaaa\":4},"
                          "\"merges\":[\"a b\",\"a a\",\"aa aa\"]}";
static const char UNIGRAM[] =
    "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"_\",-2],[\"a\",-3],"
    "[\"b\",-3],[\"_ab\",-4.5],[\"aa\",-5]]}";
enum { CHARSMAP_UNITS = 768 };

static struct blob blob_of(const char *text)
{
    return (struct blob){(const unsigned char *)text, text ? strlen(text) : 0};
}

static struct tokenizer *open_parts(const char *normalizer, const char *pretokenizer, const char *model,
                                    struct error *err)
{
    struct buf json;
    buf_init(&json);
    buf_printf(&json, "{\"normalizer\":%s,\"pre_tokenizer\":%s,\"model\":%s}", normalizer, pretokenizer,
               model);
    assert_true(buf_ok(&json));
    const struct tokenizer_files files = {.json = blob_of(json.bytes), .config = blob_of(WRITTEN)};
    struct tokenizer *tokenizer = tokenizer_open(&files, err);
    buf_free(&json);
    return tokenizer;
}

static struct tokenizer *must_open(const char *normalizer, const char *pretokenizer, const char *model)
{
    struct error err;
    struct tokenizer *tokenizer = open_parts(normalizer, pretokenizer, model, &err);
    if (!tokenizer)
        fail_msg("%s", err.message);
    return tokenizer;
}

static void expect_refusal(const char *normalizer, const char *pretokenizer, const char *model,
                           enum error_kind kind, const char *words)
{
    struct error err = {0};
    assert_null(open_parts(normalizer, pretokenizer, model, &err));
    if (err.kind != kind || !strstr(err.message, words))
        fail_msg("got %s: %s; want %s: ...%s...", error_kind_name(err.kind), err.message,
                 error_kind_name(kind), words);
}

/* The ids end with -1. */
static void expect_ids(const struct tokenizer *tokenizer, const char *text, const int32_t *expected)
{
    struct arena arena;
    struct encoding out;
    struct error err;
    const struct encode_options options = {0};
    arena_init(&arena, 0, SIZE_MAX);
    if (!tokenizer_encode(tokenizer, text, strlen(text), NULL, 0, &options, &arena, &out, &err))
        fail_msg("%s", err.message);
    size_t count = 0;
    while (expected[count] >= 0)
        count++;
    assert_int_equal(out.length, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(out.ids[i], expected[i]);
    arena_free(&arena);
}

#define EXPECT(tokenizer, text, ...) expect_ids(tokenizer, text, (const int32_t[]){__VA_ARGS__, -1})

static void merges_are_read_as_strings_and_as_pairs(void **state)
{
    (void)state;
    static const char pairs[] = "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"aa\":3,\"aaaa\":4},"
                                "\"merges\":[[\"a\",\"b\"],[\"a\",\"a\"],[\"aa\",\"aa\"]]}";
    const char *const models[] = {BPE, pairs};
    for (size_t i = 0; i < 2; i++) {
        struct tokenizer *tokenizer = must_open("null", BYTE_LEVEL, models[i]);
        EXPECT(tokenizer, "aaab", 3, 2);
        EXPECT(tokenizer, "aaaaab", 4, 2);
        tokenizer_close(tokenizer);
    }
}

static void a_word_is_spelled_by_the_scores_that_sum_highest(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = must_open("null", METASPACE, UNIGRAM);
    EXPECT(tokenizer, "ab aab xx", 4, 1, 5, 3, 1, 0);
    tokenizer_close(tokenizer);
}

static void damaged_bpe_models_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *model, *words;
    } cases[] = {
        {"{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}", "empty"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0}}", "merges"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":{}}", "an object"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"aa\"]}", "merge 0"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]}", "merge 0"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}", "merge 0"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",1]]}", "merge 0"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[7]}", "merge 0"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}", "the second"},
        {"{\"type\":\"BPE\",\"vocab\":{\"b\":0},\"merges\":[\"a b\"]}", "the first"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}", "what they become"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"?\"}", "\"?\""},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":5}", "unk_token"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"fuse_unk\":1}", "fuse_unk"},
        {"{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}", "same id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal("null", BYTE_LEVEL, cases[i].model, ERR_BAD_MODEL, cases[i].words);
}

static void bpe_options_that_are_not_supported_are_refused_by_name(void **state)
{
    (void)state;
    const enum error_kind kind = ERR_UNSUPPORTED_MODEL;
    expect_refusal("null", BYTE_LEVEL, "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}",
                   kind, "dropout");
    expect_refusal(
        "null", BYTE_LEVEL,
        "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"continuing_subword_prefix\":\"##\"}", kind,
        "prefix");
    expect_refusal("null", BYTE_LEVEL, UNIGRAM, kind, "ByteLevel");
}

static void damaged_unigram_models_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        enum error_kind kind;
        const char *words;
    } cases[] = {
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[]}", ERR_BAD_MODEL, "empty"},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":{}}", ERR_BAD_MODEL, "an object"},
        {"{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}", ERR_BAD_MODEL, "unk_id"},
        {"{\"type\":\"Unigram\",\"unk_id\":-1,\"vocab\":[[\"a\",0]]}", ERR_BAD_MODEL, "unk_id"},
        {"{\"type\":\"Unigram\",\"unk_id\":null,\"vocab\":[[\"a\",0]]}", ERR_UNSUPPORTED_MODEL, "unk_id"},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\"]]}", ERR_BAD_MODEL, "entry 0"},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0],[1,0]]}", ERR_BAD_MODEL, "entry 1"},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",\"0\"]]}", ERR_BAD_MODEL, "entry 0"},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0],[\"a\",1]]}", ERR_UNSUPPORTED_MODEL,
         "twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal("null", METASPACE, cases[i].model, cases[i].kind, cases[i].words);
}

static void damaged_parts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *normalizer, *pretokenizer;
        enum error_kind kind;
        const char *words;
    } cases[] = {
        {"{\"type\":\"Sequence\"}", "null", ERR_BAD_MODEL, "normalizers"},
        {"{\"type\":\"Sequence\",\"normalizers\":[{}]}", "null", ERR_BAD_MODEL, "type"},
        {"{\"type\":\"Replace\",\"content\":\"\"}", "null", ERR_BAD_MODEL, "pattern"},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}", "null", ERR_BAD_MODEL,
         "empty"},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}}", "null", ERR_BAD_MODEL, "content"},
        {"{\"type\":\"Prepend\"}", "null", ERR_BAD_MODEL, "prepend"},
        {"{\"type\":\"Strip\"}", "null", ERR_BAD_MODEL, "strip_left"},
        {"null", "{\"type\":\"Sequence\",\"pretokenizers\":{}}", ERR_BAD_MODEL, "pretokenizers"},
        {"null", "{\"type\":\"Metaspace\"}", ERR_BAD_MODEL, "replacement"},
        {"null", "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", ERR_BAD_MODEL, "one character"},
        {"null", "{\"type\":\"Metaspace\",\"replacement\":\"\"}", ERR_BAD_MODEL, "one character"},
        {"null", "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"x\"}", ERR_BAD_MODEL,
         "prepend_scheme"},
        {"null", "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"x\",\"invert\":false}",
         ERR_BAD_MODEL, "behavior"},
        {"null", "{\"type\":\"Digits\"}", ERR_BAD_MODEL, "individual_digits"},
        {"null", "{\"type\":\"ByteLevel\"}", ERR_BAD_MODEL, "add_prefix_space"},
        {"null",
         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\",\"add_prefix_space\":true},"
         "{\"type\":\"WhitespaceSplit\"}]}",
         ERR_UNSUPPORTED_MODEL, "ByteLevel"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i].normalizer, cases[i].pretokenizer, UNIGRAM, cases[i].kind, cases[i].words);
}

static void sequences_nested_without_end_are_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text);
    for (int i = 0; i < 12; i++)
        buf_puts(&text, "{\"type\":\"Sequence\",\"normalizers\":[");
    buf_puts(&text, "{\"type\":\"NFC\"}");
    for (int i = 1; i < 40; i++)
        buf_puts(&text, ",{\"type\":\"NFC\"}");
    for (int i = 0; i < 12; i++)
        buf_puts(&text, "]}");
    expect_refusal(text.bytes, "null", UNIGRAM, ERR_UNSUPPORTED_MODEL, "more than 32");
    buf_free(&text);
}

static void regular_expressions_that_are_not_supported_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const refused[] = {"(a|b)",    "a*",     "a?",         "^a",    "a$",     ".",
                                          "[a",       "[]",     "ab",         "a|",    "|a",     "a{0,2}",
                                          "a{3,2}",   "a{2",    "a{1000}",    "\\\\b", "\\\\w+", "(?=a)",
                                          "[^\\\\S]", "[a&&b]", "\\\\p{Han}", "[b-a]"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char part[200];
        snprintf(part, sizeof part, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"%s\"},\"content\":\"\"}",
                 refused[i]);
        expect_refusal(part, "null", UNIGRAM, ERR_UNSUPPORTED_MODEL, "regular expression");
    }
}

static void put_base64(struct buf *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < size ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_putc(out, i + k <= size ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
}

static struct tokenizer *open_charsmap(const unsigned char *bytes, size_t size, struct error *err)
{
    struct buf part;
    buf_init(&part);
    buf_puts(&part, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
    put_base64(&part, bytes, size);
    buf_puts(&part, "\"}");
    struct tokenizer *tokenizer = open_parts(part.bytes, METASPACE, UNIGRAM, err);
    buf_free(&part);
    return tokenizer;
}

/* The map of "x" to "ab" in bytes[0..4 + 4 * CHARSMAP_UNITS + 3): the root's children at 256, those of "x" at
 * 512 ^ 'x'. */
static size_t make_charsmap(unsigned char *bytes)
{
    static uint32_t units[CHARSMAP_UNITS];
    const uint32_t trie_size = sizeof units;
    units[0] = 256 << 10;
    units[256 ^ 'x'] = 'x' | 1 << 8 | ((256 ^ 'x') ^ 512) << 10;
    units[512] = 0;
    memcpy(bytes, &trie_size, 4);
    memcpy(bytes + 4, units, sizeof units);
    memcpy(bytes + 4 + sizeof units, "ab", 3);
    return 4 + sizeof units + 3;
}

static void damaged_charsmaps_are_refused(void **state)
{
    (void)state;
    static unsigned char bytes[4 + 4 * CHARSMAP_UNITS + 3];
    size_t size = make_charsmap(bytes);
    struct error err;
    struct tokenizer *tokenizer = open_charsmap(bytes, size, &err);
    assert_non_null(tokenizer);
    EXPECT(tokenizer, "x", 4);
    tokenizer_close(tokenizer);
    const size_t sizes[] = {0, 1, 3, 4, 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_null(open_charsmap(bytes, sizes[i], &err));
        assert_int_equal(err.kind, ERR_BAD_MODEL);
    }
    bytes[size - 3] = 0xFF;
    assert_null(open_charsmap(bytes, size, &err));
    assert_non_null(strstr(err.message, "UTF-8"));
    expect_refusal("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"a?==\"}", "null", UNIGRAM,
                   ERR_BAD_MODEL, "base64");
}

static void a_charsmap_of_random_units_is_read_without_leaving_it(void **state)
{
    (void)state;
    static unsigned char bytes[4 + 4 * CHARSMAP_UNITS + 3];
    size_t size = make_charsmap(bytes);
    uint32_t random = 1;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 4; i < size - 3; i++) {
            random = random * 1664525 + 1013904223; /* Numerical Recipes */
            bytes[i] = (unsigned char)(random >> 24);
        }
        struct error err;
        struct tokenizer *tokenizer = open_charsmap(bytes, size, &err);
        assert_non_null(tokenizer);
        struct arena arena;
        struct encoding out;
        const struct encode_options options = {0};
        arena_init(&arena, 0, SIZE_MAX);
        for (unsigned byte = 1; byte < 256; byte++) {
            const char text[4] = {(char)byte, 'a', (char)(byte ^ 0x55), 'b'};
            assert_true(tokenizer_encode(tokenizer, text, 4, NULL, 0, &options, &arena, &out, &err));
        }
        arena_free(&arena);
        tokenizer_close(tokenizer);
    }
}

static struct tokenizer *open_merges(const char *vocab, const char *merges, struct error *err)
{
    const struct tokenizer_files files = {.vocab_json = blob_of(vocab),
                                          .merges = blob_of(merges),
                                          .model_config = blob_of("{\"model_type\":\"roberta\"}")};
    return tokenizer_open(&files, err);
}

static void vocab_json_and_merges_txt_make_a_roberta_tokenizer(void **state)
{
    (void)state;
    static const char vocab[] =
        "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"<mask>\":4,\"a\":5,\"b\":6,\"ab\":7}";
    struct error err;
    struct tokenizer *tokenizer = open_merges(vocab, "#version: 0.2\na b\n", &err);
    assert_non_null(tokenizer);
    EXPECT(tokenizer, "abb<mask>", 0, 7, 6, 4, 2);
    tokenizer_close(tokenizer);
    assert_null(open_merges(vocab, "#version: 0.2\nab\n", &err));
    assert_non_null(strstr(err.message, "line 2"));
    assert_null(open_merges("[]", "a b\n", &err));
    assert_int_equal(err.kind, ERR_BAD_MODEL);
    assert_null(open_merges(vocab, NULL, &err));
    assert_non_null(strstr(err.message, "merges.txt"));
}

/* Nanoseconds to encode `length` bytes of `unit` again and again. */
static uint64_t time_of(const struct tokenizer *tokenizer, const char *unit, size_t length)
{
    struct arena arena;
    struct encoding out;
    struct error err;
    const struct encode_options options = {0};
    const size_t size = strlen(unit);
    char *text = malloc(length);
    assert_non_null(text);
    length -= length % size;
    for (size_t i = 0; i < length; i++)
        text[i] = unit[i % size];
    arena_init(&arena, 0, SIZE_MAX);
    uint64_t start = clock_ns();
    assert_true(tokenizer_encode(tokenizer, text, length, NULL, 0, &options, &arena, &out, &err));
    uint64_t taken = clock_ns() - start;
    arena_free(&arena);
    free(text);
    return taken;
}

static void a_megabyte_without_a_break_takes_time_in_proportion(void **state)
{
    (void)state;
    static const char *const units[] = {
        "a", "ab", "x", " ", "\n ", "1", "e\xCC\x81", "\xCC\x81\xCC\xA7", "'", "\xE2\x96\x81", "_"};
    static const char llama3[] =
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'"
        "re|'ve|'m|'ll"
        "|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
        "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|"
        "\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":true,\"use_regex\":false}]}";
    struct tokenizer *tokenizers[] = {
        must_open("{\"type\":\"NFKC\"}", BYTE_LEVEL, BPE),
        must_open("null", llama3, BPE),
        must_open("{\"type\":\"NFC\"}", METASPACE, UNIGRAM),
        must_open("null", "null", UNIGRAM),
        must_open("null", "null", BPE),
    };
    for (size_t i = 0; i < sizeof tokenizers / sizeof *tokenizers; i++) {
        for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
            uint64_t taken = time_of(tokenizers[i], units[k], 1 << 20);
            /* Linear work takes a tenth of a second here; quadratic work would take an hour. */
            if (taken > UINT64_C(20000000000))
                fail_msg("tokenizer %zu takes %llu ms for \"%s\"", i, (unsigned long long)(taken / 1000000),
                         units[k]);
        }
        tokenizer_close(tokenizers[i]);
    }
}

static void a_model_with_any_byte_changed_opens_or_is_refused(void **state)
{
    (void)state;
    static const char changes[] = "0-\"[]{}:,x\\\x01\xFF";
    const char *const models[] = {BPE, UNIGRAM};
    for (size_t m = 0; m < 2; m++) {
        char copy[sizeof BPE + sizeof UNIGRAM];
        strcpy(copy, models[m]);
        for (size_t at = 0; copy[at]; at++) {
            char kept = copy[at];
            for (size_t i = 0; i < sizeof changes - 1; i++) {
                struct error err = {0};
                copy[at] = changes[i];
                struct tokenizer *tokenizer = open_parts("null", m ? METASPACE : BYTE_LEVEL, copy, &err);
                assert_true(tokenizer || err.kind == ERR_BAD_MODEL || err.kind == ERR_UNSUPPORTED_MODEL);
                tokenizer_close(tokenizer);
            }
            copy[at] = kept;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_read_as_strings_and_as_pairs),
        cmocka_unit_test(a_word_is_spelled_by_the_scores_that_sum_highest),
        cmocka_unit_test(damaged_bpe_models_are_refused),
        cmocka_unit_test(bpe_options_that_are_not_supported_are_refused_by_name),
        cmocka_unit_test(damaged_unigram_models_are_refused),
        cmocka_unit_test(damaged_parts_are_refused),
        cmocka_unit_test(sequences_nested_without_end_are_refused),
        cmocka_unit_test(regular_expressions_that_are_not_supported_are_refused_by_name),
        cmocka_unit_test(damaged_charsmaps_are_refused),
        cmocka_unit_test(a_charsmap_of_random_units_is_read_without_leaving_it),
        cmocka_unit_test(vocab_json_and_merges_txt_make_a_roberta_tokenizer),
        cmocka_unit_test(a_megabyte_without_a_break_takes_time_in_proportion),
        cmocka_unit_test(a_model_with_any_byte_changed_opens_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
