/* Encodes the lines of a file PASSES times for each byte on stdin, and prints the nanoseconds that a pass
 * took and its tokens. bench/tokenizer/compare.py runs it. Usage: bench_encode TOKENIZER_JSON TEXT_FILE
 * PASSES; the tokenizer is taken as it stands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "text/tokenizer.h"

/* The tokens of all lines, or 0 where one does not encode. */
static size_t encode_lines(const struct tokenizer *tokenizer, struct blob lines, struct arena *arena)
{
    const char *at = (const char *)lines.bytes, *end = at + lines.size;
    const struct encode_options options = {0};
    size_t tokens = 0;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        struct encoding out;
        struct error err;
        if (!tokenizer_encode(tokenizer, at, length, NULL, 0, &options, arena, &out, &err))
            return 0;
        tokens += out.length;
        arena_reset(arena);
        at += length + 1;
    }
    return tokens;
}

int main(int argc, char **argv)
{
    struct error err;
    static const char written[] = "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}";
    struct blob json, config = {(const unsigned char *)written, sizeof written - 1}, lines;
    struct arena arena;
    if (argc != 4 || atoi(argv[3]) < 1 || !file_map(argv[1], &json, &err) || !file_map(argv[2], &lines, &err))
        return 2;
    struct tokenizer *tokenizer =
        tokenizer_open(&(struct tokenizer_files){.json = json, .config = config}, &err);
    if (!tokenizer)
        return 1;
    arena_init(&arena, 1 << 20, SIZE_MAX);
    const uint64_t passes = (uint64_t)atoi(argv[3]);
    while (getchar() != EOF) {
        size_t tokens = 0;
        uint64_t start = clock_ns();
        for (uint64_t pass = 0; pass < passes; pass++)
            tokens = encode_lines(tokenizer, lines, &arena);
        printf("%llu %zu\n", (unsigned long long)((clock_ns() - start) / passes), tokens);
        fflush(stdout);
    }
    arena_free(&arena);
    tokenizer_close(tokenizer);
    file_unmap(&lines);
    file_unmap(&json);
    return 0;
}
