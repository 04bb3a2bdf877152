/* The tokenizer on small vocabularies: what comes out, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "text/tokenizer.h"

static const char VOCAB[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nun\n##believ\n##able\n!\n\xE4\xB8\xAD\ncafe\nThe\n"
    "caf\xC3\xA9\n[\n]\nmask\nx\n";
enum {
    PAD,
    UNK,
    CLS,
    SEP,
    MASK,
    THE,
    UN,
    BELIEV,
    ABLE,
    EXCLAMATION,
    CHINESE,
    CAFE,
    UPPER_THE,
    CAFE_ACCENT,
    OPEN,
    CLOSE,
    LOWER_MASK,
    X
};

/* tokenizer.json with a place for each part; it is to be taken as it stands (WRITTEN). */
static const char WRITTEN[] = "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}";
static const char NORMALIZER[] =
    "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
    "\"strip_accents\":null,\"lowercase\":true}";
static const char PRETOKENIZER[] = "{\"type\":\"BertPreTokenizer\"}";
static const char PROCESSOR[] = "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]}";
static const char MODEL[] =
    "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
    "\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"a\":4,"
    "\"##b\":5}}";

struct parts {
    const char *added, *normalizer, *pretokenizer, *processor, *model;
};

static struct blob blob_of(const char *text)
{
    return (struct blob){(const unsigned char *)text, text ? strlen(text) : 0};
}

static struct tokenizer *open_json(struct blob json, const char *config, struct error *err)
{
    const struct tokenizer_files files = {.json = json, .config = blob_of(config)};
    return tokenizer_open(&files, err);
}

static struct tokenizer *open_parts(struct parts parts, const char *config, struct error *err)
{
    struct buf json;
    buf_init(&json);
    buf_printf(
        &json,
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":%s,\"normalizer\":%s,"
        "\"pre_tokenizer\":%s,\"post_processor\":%s,\"decoder\":null,\"model\":%s}",
        parts.added ? parts.added : "[]", parts.normalizer ? parts.normalizer : NORMALIZER,
        parts.pretokenizer ? parts.pretokenizer : PRETOKENIZER, parts.processor ? parts.processor : PROCESSOR,
        parts.model ? parts.model : MODEL);
    assert_true(buf_ok(&json));
    struct tokenizer *tokenizer = open_json(blob_of(json.bytes), config, err);
    buf_free(&json);
    return tokenizer;
}

static struct tokenizer *open_vocab(const char *vocab, const char *config)
{
    struct error err;
    const struct tokenizer_files files = {.vocab = blob_of(vocab), .config = blob_of(config)};
    struct tokenizer *tokenizer = tokenizer_open(&files, &err);
    if (!tokenizer)
        fail_msg("%s", err.message);
    return tokenizer;
}

/* The ids end with -1. */
static void expect_ids(const struct tokenizer *tokenizer, const char *text, const char *pair,
                       struct encode_options options, const int32_t *expected)
{
    struct arena arena;
    struct encoding out;
    struct error err;
    arena_init(&arena, 0, SIZE_MAX);
    if (!tokenizer_encode(tokenizer, text, strlen(text), pair, pair ? strlen(pair) : 0, &options, &arena,
                          &out, &err))
        fail_msg("%s", err.message);
    size_t count = 0;
    while (expected[count] >= 0)
        count++;
    assert_int_equal(out.length, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(out.ids[i], expected[i]);
    arena_free(&arena);
}

#define EXPECT(tokenizer, text, ...) \
    expect_ids(tokenizer, text, NULL, (struct encode_options){0}, (const int32_t[]){__VA_ARGS__, -1})

static void expect_refusal(struct parts parts, const char *config, enum error_kind kind, const char *words)
{
    struct error err = {0};
    struct tokenizer *tokenizer = open_parts(parts, config, &err);
    assert_null(tokenizer);
    if (err.kind != kind || !strstr(err.message, words))
        fail_msg("got %s: %s; want %s: ...%s...", error_kind_name(err.kind), err.message,
                 error_kind_name(kind), words);
}

static void a_word_becomes_its_longest_tokens_between_cls_and_sep(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    EXPECT(tokenizer, "the unbelievable!", CLS, THE, UN, BELIEV, ABLE, EXCLAMATION, SEP);
    EXPECT(tokenizer, "unbelievablex", CLS, UNK, SEP);
    EXPECT(tokenizer, "", CLS, SEP);
    tokenizer_close(tokenizer);
}

static void an_uncased_vocabulary_takes_case_and_accents_off(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    EXPECT(tokenizer, "THE Caf\xC3\xA9 cafe\xCC\x81", CLS, THE, CAFE, CAFE, SEP);
    tokenizer_close(tokenizer);
}

static void a_cased_vocabulary_keeps_case_and_accents(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, "{\"do_lower_case\": false}");
    EXPECT(tokenizer, "The the caf\xC3\xA9", CLS, UPPER_THE, THE, CAFE_ACCENT, SEP);
    tokenizer_close(tokenizer);
}

static void a_chinese_character_is_a_word(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    EXPECT(tokenizer, "the\xE4\xB8\xADthe", CLS, THE, CHINESE, THE, SEP);
    tokenizer_close(tokenizer);
}

static void a_special_token_typed_in_is_found_as_written(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    EXPECT(tokenizer, "the[MASK]the", CLS, THE, MASK, THE, SEP);
    EXPECT(tokenizer, "[mask]", CLS, OPEN, LOWER_MASK, CLOSE, SEP);
    tokenizer_close(tokenizer);
}

static void a_nul_and_controls_are_dropped_from_within_a_word(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    struct arena arena;
    struct encoding out;
    struct error err;
    arena_init(&arena, 0, SIZE_MAX);
    const struct encode_options options = {0};
    assert_true(tokenizer_encode(tokenizer,
                                 "t\0h\x01"
                                 "e",
                                 5, NULL, 0, &options, &arena, &out, &err));
    assert_int_equal(out.length, 3);
    assert_int_equal(out.ids[1], THE);
    arena_free(&arena);
    tokenizer_close(tokenizer);
}

static void broken_utf8_is_read_without_leaving_the_text(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    EXPECT(tokenizer, "the \xE4\xB8", CLS, THE, SEP);
    EXPECT(tokenizer, "\xFF\x80the\xF0", CLS, THE, SEP);
    tokenizer_close(tokenizer);
}

static void a_word_of_more_than_a_hundred_characters_is_unknown(void **state)
{
    (void)state;
    char vocab[400], word[102];
    memset(word, 'x', 101);
    word[101] = '\0';
    snprintf(vocab, sizeof vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n%s\n%s\n", word, word + 1);
    struct tokenizer *tokenizer = open_vocab(vocab, NULL);
    EXPECT(tokenizer, word, CLS, UNK, SEP);
    EXPECT(tokenizer, word + 1, CLS, 6, SEP);
    tokenizer_close(tokenizer);
}

static void a_pair_has_the_second_type_behind_the_first_sep(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    struct arena arena;
    struct encoding out;
    struct error err;
    arena_init(&arena, 0, SIZE_MAX);
    const struct encode_options options = {0};
    assert_true(tokenizer_encode(tokenizer, "the", 3, "x!", 2, &options, &arena, &out, &err));
    const int32_t ids[] = {CLS, THE, SEP, X, EXCLAMATION, SEP};
    const uint8_t types[] = {0, 0, 0, 1, 1, 1};
    assert_int_equal(out.length, 6);
    assert_memory_equal(out.ids, ids, sizeof ids);
    assert_memory_equal(out.type_ids, types, sizeof types);
    arena_free(&arena);
    tokenizer_close(tokenizer);
}

static void truncation_cuts_the_longer_text_and_counts_what_there_was(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    const struct encode_options longest = {
        .truncate = true, .strategy = TRUNCATE_LONGEST_FIRST, .max_tokens = 6};
    const struct encode_options second = {
        .truncate = true, .strategy = TRUNCATE_ONLY_SECOND, .max_tokens = 6};
    expect_ids(tokenizer, "x x x x", "the", longest, (const int32_t[]){CLS, X, X, SEP, THE, SEP, -1});
    expect_ids(tokenizer, "x", "! ! ! !", second,
               (const int32_t[]){CLS, X, SEP, EXCLAMATION, EXCLAMATION, SEP, -1});
    struct arena arena;
    struct encoding out;
    struct error err;
    arena_init(&arena, 0, SIZE_MAX);
    assert_true(tokenizer_encode(tokenizer, "x x x x x x", 11, NULL, 0, &longest, &arena, &out, &err));
    assert_int_equal(out.length, 6);
    assert_int_equal(out.full_length, 8);
    arena_free(&arena);
    tokenizer_close(tokenizer);
}

static void a_truncation_that_cannot_be_met_is_an_error(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    const struct {
        struct encode_options options;
        enum error_kind kind;
    } cases[] = {
        {{.truncate = true, .strategy = TRUNCATE_LONGEST_FIRST, .max_tokens = 1},
         ERR_BAD_INPUT}, /* the special tokens alone are two */
        {{.truncate = true, .strategy = TRUNCATE_ONLY_SECOND, .max_tokens = 0}, ERR_BAD_INPUT},
        {{.truncate = true, .strategy = TRUNCATE_ONLY_SECOND, .max_tokens = 3},
         ERR_TOO_LONG}, /* there is no second text to cut */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct encoding out;
        struct error err;
        arena_init(&arena, 0, SIZE_MAX);
        assert_false(tokenizer_encode(tokenizer, "x x x", 5, NULL, 0, &cases[i].options, &arena, &out, &err));
        assert_int_equal(err.kind, cases[i].kind);
        arena_free(&arena);
    }
    tokenizer_close(tokenizer);
}

static void scratch_memory_of_a_long_text_is_given_back(void **state)
{
    (void)state;
    enum { LENGTH = 1 << 20 };
    static char text[LENGTH];
    const struct encode_options options = {.truncate = true, .max_tokens = 16, .places = true};
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    struct arena arena;
    struct encoding out;
    struct error err;
    memset(text, 'x', LENGTH);
    arena_init(&arena, 0, SIZE_MAX);
    assert_true(tokenizer_encode(tokenizer, text, LENGTH, NULL, 0, &options, &arena, &out, &err));
    assert_in_range(arena.total, 1, 64 << 10);
    arena_free(&arena);
    tokenizer_close(tokenizer);
}

static void an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    static char text[1 << 16];
    memset(text, '!', sizeof text);
    const struct encode_options options = {0};
    bool encoded = false;
    for (size_t limit = 0; !encoded; limit += 40000) {
        struct arena arena;
        struct encoding out;
        struct error err = {0};
        arena_init(&arena, 0, limit);
        encoded = tokenizer_encode(tokenizer, text, sizeof text, NULL, 0, &options, &arena, &out, &err);
        assert_int_equal(err.kind, encoded ? ERR_NONE : ERR_NO_MEMORY);
        assert_true(limit < 64 * sizeof text);
        arena_free(&arena);
    }
    tokenizer_close(tokenizer);
}

static void marks_out_of_order_take_time_in_proportion(void **state)
{
    (void)state;
    /* U+302E (class 224, not dropped as an accent) and U+1D165 (class 216) in turn: a run of a million bytes
     * that is out of order everywhere, where a quadratic sort takes minutes. */
    struct tokenizer *tokenizer = open_vocab(VOCAB, NULL);
    enum { REPEATS = 150000, BYTES = 7 };
    char *text = malloc(REPEATS * BYTES);
    assert_non_null(text);
    for (size_t i = 0; i < REPEATS; i++)
        memcpy(text + i * BYTES, "\xE3\x80\xAE\xF0\x9D\x85\xA5", BYTES);
    struct arena arena;
    struct encoding out;
    struct error err;
    arena_init(&arena, 0, SIZE_MAX);
    const struct encode_options options = {0};
    assert_true(tokenizer_encode(tokenizer, text, REPEATS * BYTES, NULL, 0, &options, &arena, &out, &err));
    assert_int_equal(out.length, 3);
    arena_free(&arena);
    free(text);
    tokenizer_close(tokenizer);
}

static void ids_and_tokens_are_found_both_ways(void **state)
{
    (void)state;
    struct error err;
    struct tokenizer *tokenizer = open_parts(
        (struct parts){
            .model = "{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"##\","
                     "\"max_input_chars_per_word\":9,\"vocab\":{\"u\":7,\"[CLS]\":16000000,\"[SEP]\":0}}"},
        WRITTEN, &err);
    assert_non_null(tokenizer);
    assert_string_equal(tokenizer_token(tokenizer, 16000000).text, "[CLS]");
    assert_string_equal(tokenizer_token(tokenizer, 7).text, "u");
    assert_null(tokenizer_token(tokenizer, 1).text);
    assert_null(tokenizer_token(tokenizer, -1).text);
    assert_null(tokenizer_token(tokenizer, 2000000000).text);
    tokenizer_close(tokenizer);
}

static void the_maximum_length_is_the_configs_unless_it_is_a_placeholder(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        size_t length;
    } cases[] = {{NULL, 0},
                 {"{\"model_max_length\": 384}", 384},
                 {"{\"model_max_length\": 1000000000000000019884624838656}", 0},
                 {"{\"model_max_length\": null}", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tokenizer *tokenizer = open_vocab(VOCAB, cases[i].config);
        assert_int_equal(tokenizer_max_length(tokenizer), cases[i].length);
        tokenizer_close(tokenizer);
    }
}

static void parts_of_another_type_are_refused_by_name(void **state)
{
    (void)state;
    const enum error_kind kind = ERR_UNSUPPORTED_MODEL;
    expect_refusal((struct parts){.normalizer = "{\"type\":\"ByteLevel\"}"}, NULL, kind, "ByteLevel");
    expect_refusal((struct parts){.pretokenizer = "{\"type\":\"UnicodeScripts\"}"}, NULL, kind,
                   "UnicodeScripts");
    expect_refusal((struct parts){.processor = "{\"type\":\"NewProcessing\"}"}, NULL, kind, "NewProcessing");
    expect_refusal((struct parts){.model = "{\"type\":\"Lattice\",\"vocab\":{}}"}, NULL, kind, "Lattice");
    expect_refusal((struct parts){0}, "{\"tokenizer_class\":\"T5Tokenizer\"}", kind, "T5Tokenizer");
    expect_refusal((struct parts){0}, "{\"split_special_tokens\":true}", kind, "split_special_tokens");
}

static char *model_with(const char *vocab, const char *unknown, const char *characters)
{
    static char model[4096];
    snprintf(model, sizeof model,
             "{\"type\":\"WordPiece\",\"unk_token\":%s,\"continuing_subword_prefix\":\"##\","
             "\"max_input_chars_per_word\":%s,\"vocab\":%s}",
             unknown, characters, vocab);
    return model;
}

static void damaged_vocabularies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *unknown, *characters, *words;
    } cases[] = {
        {"{}", "\"[UNK]\"", "100", "empty"},
        {"{\"a\":0}", "\"[UNK]\"", "100", "[UNK]"},
        {"{\"[UNK]\":0,\"a\":0}", "\"[UNK]\"", "100", "same id 0"},
        {"{\"[UNK]\":-1}", "\"[UNK]\"", "100", "[UNK]"},
        {"{\"[UNK]\":2147483648}", "\"[UNK]\"", "100", "16777215"},
        {"{\"[UNK]\":16777216}", "\"[UNK]\"", "100", "16777215"},
        {"{\"[UNK]\":1.5}", "\"[UNK]\"", "100", "whole number"},
        {"{\"[UNK]\":\"0\"}", "\"[UNK]\"", "100", "whole number"},
        {"{\"[UNK]\":0,\"[UNK]\":1}", "\"[UNK]\"", "100", "twice"},
        {"[\"[UNK]\"]", "\"[UNK]\"", "100", "a list"},
        {"{\"[UNK]\":0}", "7", "100", "unk_token"},
        {"{\"[UNK]\":0}", "\"[UNK]\"", "-1", "max_input_chars_per_word"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(
            (struct parts){.model = model_with(cases[i].vocab, cases[i].unknown, cases[i].characters)},
            WRITTEN, ERR_BAD_MODEL, cases[i].words);
}

static void a_huge_limit_of_characters_needs_no_memory(void **state)
{
    (void)state;
    struct error err;
    struct tokenizer *tokenizer =
        open_parts((struct parts){.model = model_with("{\"[UNK]\":1,\"a\":4,\"##b\":5}", "\"[UNK]\"",
                                                      "18446744073709551615")},
                   WRITTEN, &err);
    assert_non_null(tokenizer);
    EXPECT(tokenizer, "abb", 2, 4, 5, 5, 3);
    tokenizer_close(tokenizer);
}

static void fields_of_a_wrong_type_are_refused(void **state)
{
    (void)state;
    const enum error_kind kind = ERR_BAD_MODEL;
    expect_refusal((struct parts){.added = "{}"}, NULL, kind, "added_tokens");
    expect_refusal((struct parts){.added = "[{\"id\":1}]"}, NULL, kind, "content");
    expect_refusal((struct parts){.added = "[{\"id\":-1,\"content\":\"x\"}]"}, NULL, kind, "id");
    expect_refusal((struct parts){.added = "[{\"id\":1,\"content\":\"x\",\"lstrip\":1}]"}, NULL, kind,
                   "lstrip");
    expect_refusal((struct parts){.normalizer = "{\"type\":\"BertNormalizer\"}"}, NULL, kind, "clean_text");
    expect_refusal((struct parts){.normalizer = "[]"}, NULL, kind, "normalizer");
    expect_refusal((struct parts){.processor = "{\"type\":\"BertProcessing\",\"cls\":[\"a\",1]}"}, WRITTEN,
                   kind, "sep");
    expect_refusal(
        (struct parts){.processor =
                           "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\","
                           "\"type_id\":0}}],\"pair\":[]}"},
        WRITTEN, kind, "sequence B");
    expect_refusal(
        (struct parts){.processor = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
                                    "\"[X]\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}"},
        WRITTEN, kind, "[X]");
    expect_refusal((struct parts){0}, "{\"do_lower_case\":\"yes\"}", kind, "do_lower_case");
    expect_refusal((struct parts){0}, "{\"model_max_length\":0}", kind, "model_max_length");
    expect_refusal((struct parts){0}, "{\"cls_token\":null}", kind, "cls_token");
    expect_refusal((struct parts){0}, "{\"cls_token\":[]}", kind, "cls_token");
    expect_refusal((struct parts){0}, "{\"added_tokens_decoder\":{\"x\":{\"content\":\"a\"}}}", kind,
                   "\"x\"");
    expect_refusal((struct parts){0}, "[1]", kind, "tokenizer_config.json");
    expect_refusal((struct parts){0}, "{\"a\":", kind, "line 1");
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    char json[2048];
    int length =
        snprintf(json, sizeof json,
                 "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":2,\"content\":\"[CLS]\",\"special\":true}],"
                 "\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,\"model\":%s}",
                 NORMALIZER, PRETOKENIZER, PROCESSOR, MODEL);
    struct error err;
    struct tokenizer *tokenizer = open_json(blob_of(json), NULL, &err);
    assert_non_null(tokenizer);
    tokenizer_close(tokenizer);
    for (size_t cut = 0; cut < (size_t)length; cut++) {
        char *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, json, cut);
        assert_null(open_json((struct blob){(unsigned char *)copy, cut}, NULL, &err));
        assert_int_equal(err.kind, ERR_BAD_MODEL);
        free(copy);
    }
}

static void a_file_with_any_byte_changed_opens_or_is_refused(void **state)
{
    (void)state;
    char json[2048];
    int length =
        snprintf(json, sizeof json,
                 "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":2,\"content\":\"[CLS]\",\"special\":true}],"
                 "\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,\"model\":%s}",
                 NORMALIZER, PRETOKENIZER, PROCESSOR, MODEL);
    static const char changes[] = "0-\"[]{}:,x\\\x01\xFF";
    size_t opened = 0;
    for (size_t at = 0; at < (size_t)length; at++) {
        char kept = json[at];
        for (size_t i = 0; i < sizeof changes - 1; i++) {
            struct error err = {0};
            json[at] = changes[i];
            struct tokenizer *tokenizer = open_json(blob_of(json), NULL, &err);
            assert_true(tokenizer || err.kind == ERR_BAD_MODEL || err.kind == ERR_UNSUPPORTED_MODEL);
            opened += tokenizer != NULL;
            tokenizer_close(tokenizer);
        }
        json[at] = kept;
    }
    assert_in_range(opened, 1, (size_t)length * sizeof changes / 2);
}

static void nesting_deeper_than_any_tokenizer_is_refused(void **state)
{
    (void)state;
    static char deep[100001];
    memset(deep, '[', sizeof deep - 1);
    expect_refusal((struct parts){.added = deep}, NULL, ERR_BAD_MODEL, "deeper");
}

static void an_added_token_that_normalizes_to_nothing_is_refused(void **state)
{
    (void)state;
    expect_refusal((struct parts){.added = "[{\"id\":9,\"content\":\"\\u0301\",\"normalized\":true}]"}, NULL,
                   ERR_UNSUPPORTED_MODEL, "id 5");
}

static void damaged_vocab_files_are_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"", "\n\n", "[PAD]\n[CLS]\n", "[UNK]\n[CLS]\n\xFF\xFE\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct error err = {0};
        assert_null(tokenizer_open(&(struct tokenizer_files){.vocab = blob_of(files[i])}, &err));
        assert_int_equal(err.kind, ERR_BAD_MODEL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_becomes_its_longest_tokens_between_cls_and_sep),
        cmocka_unit_test(an_uncased_vocabulary_takes_case_and_accents_off),
        cmocka_unit_test(a_cased_vocabulary_keeps_case_and_accents),
        cmocka_unit_test(a_chinese_character_is_a_word),
        cmocka_unit_test(a_special_token_typed_in_is_found_as_written),
        cmocka_unit_test(a_nul_and_controls_are_dropped_from_within_a_word),
        cmocka_unit_test(broken_utf8_is_read_without_leaving_the_text),
        cmocka_unit_test(a_word_of_more_than_a_hundred_characters_is_unknown),
        cmocka_unit_test(a_pair_has_the_second_type_behind_the_first_sep),
        cmocka_unit_test(truncation_cuts_the_longer_text_and_counts_what_there_was),
        cmocka_unit_test(a_truncation_that_cannot_be_met_is_an_error),
        cmocka_unit_test(scratch_memory_of_a_long_text_is_given_back),
        cmocka_unit_test(an_arena_that_is_full_is_an_error),
        cmocka_unit_test(marks_out_of_order_take_time_in_proportion),
        cmocka_unit_test(ids_and_tokens_are_found_both_ways),
        cmocka_unit_test(the_maximum_length_is_the_configs_unless_it_is_a_placeholder),
        cmocka_unit_test(parts_of_another_type_are_refused_by_name),
        cmocka_unit_test(damaged_vocabularies_are_refused),
        cmocka_unit_test(a_huge_limit_of_characters_needs_no_memory),
        cmocka_unit_test(fields_of_a_wrong_type_are_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_file_with_any_byte_changed_opens_or_is_refused),
        cmocka_unit_test(nesting_deeper_than_any_tokenizer_is_refused),
        cmocka_unit_test(an_added_token_that_normalizes_to_nothing_is_refused),
        cmocka_unit_test(damaged_vocab_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
