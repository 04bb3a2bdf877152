/* What pre-tokenizers split by and Replace looks for: a literal, characters of a set, or one of the regular
 * expressions that published tokenizers use.
 *
 * The package runs its expressions on Oniguruma; their classes (\s, \d, \p{L}, \p{N}) are its tables. An
 * expression is supported where it is one of the word patterns below or an alternation of runs: each
 * alternative one literal character, class or set in brackets with an optional "+", "{n}", "{n,}" or "{n,m}".
 * Everything else is refused by name. Matching takes time in proportion to the text.
 * Built once, then read by any number of threads.
 */
#ifndef LINNET_TEXT_PATTERN_H
#define LINNET_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum pattern_kind {
    PATTERN_LITERAL,
    PATTERN_RUNS,
    PATTERN_GPT2,   /* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
    PATTERN_CL100K, /* what Llama 3 and Qwen 2 use too: pattern.c has them */
};

/* Bits of a set: unicode_properties() in the lower half, unicode_kinds() in the upper one. */
#define PATTERN_KINDS(kinds) ((uint32_t)(kinds) << 16)

enum { PATTERN_MAX_RANGES = 16, PATTERN_MAX_RUNS = 16 };

struct character_set {
    uint64_t ascii[2]; /* what is in the set below 0x80; negation is in it already */
    uint32_t flags;    /* above it: characters with one of these, and those of the ranges */
    struct {
        uint32_t first, last;
    } ranges[PATTERN_MAX_RANGES];
    unsigned range_count;
    bool negated;
};

struct run {
    struct character_set set;
    unsigned least, most; /* how many characters, as many as there are */
};

struct pattern {
    enum pattern_kind kind;
    const char *literal; /* PATTERN_LITERAL: one byte or more */
    size_t literal_length;
    struct run *runs; /* PATTERN_RUNS: [run_count], the first that matches counts */
    size_t run_count;
    bool may_start[128];  /* bytes below 0x80 with which one of the runs may begin */
    unsigned most_digits; /* PATTERN_CL100K: \p{N}{1,most_digits} */
};

/* Each of these copies what it keeps into the arena. On failure false: ERR_NO_MEMORY, ERR_BAD_MODEL for an
 * empty pattern, ERR_UNSUPPORTED_MODEL for an expression that is none of the supported ones. */
bool pattern_literal(struct pattern *pattern, const char *text, size_t length, struct arena *arena,
                     struct error *err);
bool pattern_regex(struct pattern *pattern, const char *text, size_t length, struct arena *arena,
                   struct error *err);

/* Each character that has one of the flags is a match of its own. */
bool pattern_characters(struct pattern *pattern, uint32_t flags, struct arena *arena, struct error *err);

/* \w+|[^\w\s]+ by the tables of Rust's expressions: what the Whitespace pre-tokenizer takes for words. */
bool pattern_words(struct pattern *pattern, struct arena *arena, struct error *err);

/* The first match in [at, end), in [*start, *stop); false where there is none. It is never empty. */
bool pattern_next(const struct pattern *pattern, const char *at, const char *end, const char **start,
                  const char **stop);

#endif
