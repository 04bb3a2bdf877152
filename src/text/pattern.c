#include "text/pattern.h"

#include <string.h>

#include "text/unicode.h"

enum {
    NO_LIMIT = UINT32_MAX,
    MAX_COUNT = 100, /* a run of least n tries n characters at each place */
};

static const struct {
    const char *text;
    enum pattern_kind kind;
    unsigned most_digits;
} WORD_PATTERNS[] = {
    /* GPT-2, and its form in OpenAI's tiktoken */
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", PATTERN_GPT2, 0},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", PATTERN_GPT2, 0},
    /* Llama 3 */
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     PATTERN_CL100K, 3},
    /* Qwen 2 */
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     PATTERN_CL100K, 1},
    /* cl100k_base: its possessive quantifiers and its single [\r\n] match the same */
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|"
     "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     PATTERN_CL100K, 3},
};

static uint32_t flags_of(uint32_t point)
{
    return unicode_properties(point) | PATTERN_KINDS(unicode_kinds(point));
}

static bool set_has_slowly(const struct character_set *set, uint32_t point)
{
    bool found = (flags_of(point) & set->flags) != 0;
    for (unsigned i = 0; i < set->range_count && !found; i++)
        found = point >= set->ranges[i].first && point <= set->ranges[i].last;
    return found != set->negated;
}

static inline bool set_has(const struct character_set *set, uint32_t point)
{
    return point < 0x80 ? set->ascii[point / 64] >> point % 64 & 1 : set_has_slowly(set, point);
}

/* Once flags, ranges and negated are there. */
static void set_finish(struct character_set *set)
{
    for (uint32_t point = 0; point < 0x80; point++)
        set->ascii[point / 64] |= (uint64_t)set_has_slowly(set, point) << point % 64;
}

bool pattern_literal(struct pattern *pattern, const char *text, size_t length, struct arena *arena,
                     struct error *err)
{
    if (length == 0)
        return error_set(err, ERR_BAD_MODEL, "tokenizer.json: a pattern is empty");
    *pattern = (struct pattern){.kind = PATTERN_LITERAL, .literal_length = length};
    pattern->literal = arena_strndup(arena, text, length);
    return pattern->literal || error_set(err, ERR_NO_MEMORY, "no memory for the tokenizer's patterns");
}

static bool make_runs(struct pattern *pattern, size_t capacity, struct arena *arena, struct error *err)
{
    *pattern = (struct pattern){.kind = PATTERN_RUNS};
    pattern->runs = arena_calloc(arena, capacity, sizeof *pattern->runs);
    return pattern->runs || error_set(err, ERR_NO_MEMORY, "no memory for the tokenizer's patterns");
}

static void add_run(struct pattern *pattern, struct run run)
{
    set_finish(&run.set);
    pattern->runs[pattern->run_count++] = run;
    for (uint32_t point = 0; point < 0x80; point++)
        pattern->may_start[point] = pattern->may_start[point] || set_has(&run.set, point);
}

bool pattern_characters(struct pattern *pattern, uint32_t flags, struct arena *arena, struct error *err)
{
    if (!make_runs(pattern, 1, arena, err))
        return false;
    add_run(pattern, (struct run){.set = {.flags = flags}, .least = 1, .most = 1});
    return true;
}

bool pattern_words(struct pattern *pattern, struct arena *arena, struct error *err)
{
    if (!make_runs(pattern, 2, arena, err))
        return false;
    add_run(pattern, (struct run){.set = {.flags = UNICODE_WORD}, .least = 1, .most = NO_LIMIT});
    add_run(pattern, (struct run){.set = {.flags = UNICODE_WORD | UNICODE_WHITESPACE, .negated = true},
                                  .least = 1,
                                  .most = NO_LIMIT});
    return true;
}

static bool set_add_range(struct character_set *set, uint32_t first, uint32_t last)
{
    if (set->range_count == PATTERN_MAX_RANGES || last < first)
        return false;
    set->ranges[set->range_count].first = first;
    set->ranges[set->range_count++].last = last;
    return true;
}

static const struct {
    const char *text;
    uint32_t flags;
} CLASSES[] = {
    {"\\s", PATTERN_KINDS(UNICODE_REGEX_SPACE)},
    {"\\d", PATTERN_KINDS(UNICODE_DECIMAL)},
    {"\\p{L}", PATTERN_KINDS(UNICODE_LETTER)},
    {"\\p{N}", PATTERN_KINDS(UNICODE_NUMBER)},
};

/* Reads one of CLASSES at *at, adding it to the set. */
static bool read_class(const char **at, const char *end, struct character_set *set)
{
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        size_t length = strlen(CLASSES[i].text);
        if ((size_t)(end - *at) >= length && memcmp(*at, CLASSES[i].text, length) == 0) {
            *at += length;
            set->flags |= CLASSES[i].flags;
            return true;
        }
    }
    return false;
}

/* Reads a character that stands for itself, or an escape of one, into *point. */
static bool read_character(const char **at, const char *end, uint32_t *point)
{
    static const char special[] = "\\^$.|?*+()[]{}", escapes[] = "nrtfv", meant[] = "\n\r\t\f\v";
    if (*at == end)
        return false;
    if (**at == '\\') {
        if (end - *at < 2 || (unsigned char)(*at)[1] >= 0x80 || (*at)[1] == '\0')
            return false;
        char escaped = (*at)[1];
        *at += 2;
        const char *named = strchr(escapes, escaped);
        bool is_letter = (escaped | 0x20) >= 'a' && (escaped | 0x20) <= 'z';
        bool is_digit = escaped >= '0' && escaped <= '9';
        *point = (unsigned char)(named ? meant[named - escapes] : escaped);
        return named || (!is_letter && !is_digit);
    }
    if (**at != '\0' && strchr(special, **at))
        return false;
    *point = utf8_decode(at, end);
    return true;
}

/* "[" is behind *at: a set up to its "]". "-" stands for itself at the end of it. */
static bool read_set(const char **at, const char *end, struct character_set *set)
{
    set->negated = *at < end && **at == '^';
    *at += set->negated;
    while (*at < end && **at != ']') {
        uint32_t first, last;
        if (read_class(at, end, set))
            continue;
        bool is_dash = **at == '-' && end - *at >= 2 && (*at)[1] == ']';
        /* "&&" is an intersection to Oniguruma. */
        if ((**at == '-' && !is_dash) || **at == '&' || !read_character(at, end, &first))
            return false;
        last = first;
        if (end - *at >= 2 && **at == '-' && (*at)[1] != ']') {
            ++*at;
            if (**at == '-' || !read_character(at, end, &last))
                return false;
        }
        if (!set_add_range(set, first, last))
            return false;
    }
    if (*at == end || (set->range_count == 0 && set->flags == 0))
        return false;
    ++*at;
    return true;
}

static bool read_number(const char **at, const char *end, unsigned *out)
{
    const char *start = *at;
    *out = 0;
    for (; *at < end && **at >= '0' && **at <= '9' && *out <= MAX_COUNT; ++*at)
        *out = *out * 10 + (unsigned)(**at - '0');
    return *at > start && *out <= MAX_COUNT;
}

/* "+", "{n}", "{n,}", "{n,m}" or nothing; what may match no character is not supported. */
static bool read_quantifier(const char **at, const char *end, struct run *run)
{
    run->least = run->most = 1;
    if (*at < end && **at == '+') {
        ++*at;
        run->most = NO_LIMIT;
    } else if (*at < end && **at == '{') {
        ++*at;
        if (!read_number(at, end, &run->least) || *at == end)
            return false;
        run->most = run->least;
        if (**at == ',') {
            ++*at;
            run->most = NO_LIMIT;
            if (*at < end && **at != '}' && !read_number(at, end, &run->most))
                return false;
        }
        if (*at == end || **at != '}')
            return false;
        ++*at;
    }
    return run->least > 0 && run->most >= run->least;
}

static bool read_run(const char **at, const char *end, struct run *run)
{
    uint32_t point;
    *run = (struct run){0};
    if (*at < end && **at == '[') {
        ++*at;
        if (!read_set(at, end, &run->set))
            return false;
    } else if (*at < end && end - *at >= 2 && memcmp(*at, "\\S", 2) == 0) {
        *at += 2;
        run->set.negated = true;
        run->set.flags = PATTERN_KINDS(UNICODE_REGEX_SPACE);
    } else if (!read_class(at, end, &run->set) &&
               (!read_character(at, end, &point) || !set_add_range(&run->set, point, point))) {
        return false;
    }
    return read_quantifier(at, end, run);
}

static bool read_runs(struct pattern *pattern, const char *at, const char *end)
{
    for (;;) {
        struct run run;
        if (pattern->run_count == PATTERN_MAX_RUNS || !read_run(&at, end, &run))
            return false;
        add_run(pattern, run);
        if (at == end)
            return true;
        if (*at++ != '|')
            return false;
    }
}

bool pattern_regex(struct pattern *pattern, const char *text, size_t length, struct arena *arena,
                   struct error *err)
{
    if (length == 0)
        return error_set(err, ERR_BAD_MODEL, "tokenizer.json: a pattern is empty");
    for (size_t i = 0; i < sizeof WORD_PATTERNS / sizeof *WORD_PATTERNS; i++) {
        if (strlen(WORD_PATTERNS[i].text) == length && memcmp(WORD_PATTERNS[i].text, text, length) == 0) {
            *pattern =
                (struct pattern){.kind = WORD_PATTERNS[i].kind, .most_digits = WORD_PATTERNS[i].most_digits};
            return true;
        }
    }
    if (!make_runs(pattern, PATTERN_MAX_RUNS, arena, err))
        return false;
    if (read_runs(pattern, text, text + length))
        return true;
    return error_set(
        err, ERR_UNSUPPORTED_MODEL,
        "tokenizer.json: the regular expression \"%.150s\" is not supported; the word patterns of "
        "GPT-2, Llama 3, Qwen 2 and cl100k_base are, and alternatives of runs like \" {2,}|\\s\"",
        text);
}

/* Where the run at `at` ends, or NULL where it does not match. */
static const char *match_run(const struct run *run, const char *at, const char *end)
{
    unsigned count = 0;
    while (at < end && count < run->most) {
        const char *next = at + 1;
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x80)
            next = at;
        if (!set_has(&run->set, byte < 0x80 ? byte : utf8_decode(&next, end)))
            break;
        at = next;
        count += run->most != NO_LIMIT || count < run->least;
    }
    return count >= run->least ? at : NULL;
}

static bool next_run(const struct pattern *pattern, const char *at, const char *end, const char **start,
                     const char **stop)
{
    while (at < end) {
        if ((unsigned char)*at < 0x80 && !pattern->may_start[(unsigned char)*at]) {
            at++;
            continue;
        }
        for (size_t i = 0; i < pattern->run_count; i++) {
            const char *match = match_run(&pattern->runs[i], at, end);
            if (match) {
                *start = at;
                *stop = match;
                return true;
            }
        }
        utf8_decode(&at, end);
    }
    return false;
}

enum word_class { CLASS_OTHER, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE };

/* For the bytes below 0x80, where most text is: enum word_class by byte. */
#define OTHER8 0, 0, 0, 0, 0, 0, 0, 0
#define LETTERS26 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
static const unsigned char ASCII_CLASS[128] = {
    OTHER8, 0, 3, 3, 3, 3, 3, 0, 0, OTHER8, OTHER8, 3, 0, 0, 0,         0, 0, 0, 0, OTHER8, 2, 2,        2,
    2,      2, 2, 2, 2, 2, 2, 0, 0, 0,      0,      0, 0, 0, LETTERS26, 0, 0, 0, 0, 0,      0, LETTERS26};

/* The class of the character at *at, and *at moved past it. */
static inline enum word_class next_class(const char **at, const char *end)
{
    unsigned char byte = (unsigned char)**at;
    if (byte < 0x80) {
        ++*at;
        return ASCII_CLASS[byte];
    }
    unsigned kinds = unicode_kinds(utf8_decode(at, end));
    return kinds & UNICODE_LETTER        ? CLASS_LETTER
           : kinds & UNICODE_NUMBER      ? CLASS_NUMBER
           : kinds & UNICODE_REGEX_SPACE ? CLASS_SPACE
                                         : CLASS_OTHER;
}

static const char *skip_class(const char *at, const char *end, enum word_class class)
{
    for (const char *next = at; next < end; at = next)
        if (next_class(&next, end) != class)
            break;
    return at;
}

/* \s+(?!\S)|\s+ on the white space from `at` to `stop`, of one character or more: all of it at the end of the
 * text, else all but its last character, else that one. */
static const char *match_space(const char *at, const char *stop, const char *end)
{
    if (stop == end)
        return stop;
    const char *last = stop - 1;
    while (last > at && ((unsigned char)*last & 0xC0) == 0x80)
        last--;
    return last > at ? last : stop;
}

/* s, t, m, d, re, ve or ll behind an apostrophe: its length in bytes, or 0. Without case, Oniguruma takes
 * U+017F, the long s, for an s. */
static size_t contraction(const char *at, const char *end, bool any_case)
{
    if (at == end)
        return 0;
    char lower_bit = any_case ? 0x20 : 0;
    if (any_case && end - at >= 2 && memcmp(at, "\xC5\xBF", 2) == 0)
        return 2;
    char first = (char)(at[0] | ((unsigned char)at[0] < 0x80 ? lower_bit : 0));
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 1;
    if (end - at < 2)
        return 0;
    char second = (char)(at[1] | ((unsigned char)at[1] < 0x80 ? lower_bit : 0));
    return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 2 : 0;
}

static const char *match_gpt2(const char *at, const char *end)
{
    if (*at == '\'') {
        size_t length = contraction(at + 1, end, false);
        if (length)
            return at + 1 + length;
    }
    const char *next = at;
    enum word_class class = next_class(&next, end);
    if (class != CLASS_SPACE)
        return skip_class(next, end, class);
    if (*at == ' ' && next < end) {
        const char *behind = next;
        class = next_class(&behind, end);
        if (class != CLASS_SPACE)
            return skip_class(behind, end, class);
    }
    return match_space(at, skip_class(next, end, CLASS_SPACE), end);
}

/* The place behind the last line break of [at, stop), or `at` where there is none. */
static const char *behind_last_break(const char *at, const char *stop)
{
    while (stop > at && stop[-1] != '\n' && stop[-1] != '\r')
        stop--;
    return stop;
}

static const char *skip_breaks(const char *at, const char *end)
{
    while (at < end && (*at == '\n' || *at == '\r'))
        at++;
    return at;
}

static const char *skip_digits(const char *at, const char *end, unsigned most)
{
    for (const char *next = at; next < end && most > 0; most--, at = next)
        if (next_class(&next, end) != CLASS_NUMBER)
            break;
    return at;
}

static const char *match_cl100k(const char *at, const char *end, unsigned most_digits)
{
    if (*at == '\'') {
        size_t length = contraction(at + 1, end, true);
        if (length)
            return at + 1 + length;
    }
    const char *next = at;
    enum word_class class = next_class(&next, end), second = CLASS_OTHER;
    const char *behind = next;
    if (next < end)
        second = next_class(&behind, end);
    if (class == CLASS_LETTER)
        return skip_class(next, end, CLASS_LETTER);
    if (class == CLASS_NUMBER)
        return skip_digits(next, end, most_digits - 1);
    if (next < end && second == CLASS_LETTER && *at != '\n' && *at != '\r')
        return skip_class(behind, end, CLASS_LETTER);
    if (class == CLASS_OTHER)
        return skip_breaks(skip_class(next, end, CLASS_OTHER), end);
    if (*at == ' ' && next < end && second == CLASS_OTHER)
        return skip_breaks(skip_class(behind, end, CLASS_OTHER), end);
    const char *stop = skip_class(next, end, CLASS_SPACE), *broken = behind_last_break(at, stop);
    return broken > at ? broken : match_space(at, stop, end);
}

bool pattern_next(const struct pattern *pattern, const char *at, const char *end, const char **start,
                  const char **stop)
{
    if (at == end)
        return false;
    switch (pattern->kind) {
    case PATTERN_LITERAL:
        *start = memmem(at, (size_t)(end - at), pattern->literal, pattern->literal_length);
        *stop = *start ? *start + pattern->literal_length : NULL;
        return *start != NULL;
    case PATTERN_GPT2:
        *start = at;
        *stop = match_gpt2(at, end);
        return true;
    case PATTERN_CL100K:
        *start = at;
        *stop = match_cl100k(at, end, pattern->most_digits);
        return true;
    default:
        return next_run(pattern, at, end, start, stop);
    }
}
