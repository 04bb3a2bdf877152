/* Encodes the records on stdin for test_oracle.py and the benchmark.
 *
 * Usage: encode_lines json|vocab FILE [TOKENIZER_CONFIG]
 * A record: int32 text length, int32 pair length (-1: none), int32 max_tokens (-1: no truncation), int32
 * strategy (as enum truncation), then the bytes of both texts. An answer: int32 length, int32 full_length,
 * int32 ids[length], uint8 type_ids[length]; or int32 -1 and int32 error kind. All little-endian. The exit
 * status is 1, and stderr has the message, where the tokenizer does not open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

enum { TEXT, PAIR, MAX_TOKENS, STRATEGY, FIELDS };

static struct tokenizer *open_tokenizer(int argc, char **argv, struct error *err)
{
    struct blob file, config = {0};
    if (!file_map(argv[2], &file, err) || (argc > 3 && !file_map(argv[3], &config, err)))
        return NULL;
    struct tokenizer *tokenizer = strcmp(argv[1], "vocab") == 0 ? tokenizer_open_vocab(file, config, err)
                                                                : tokenizer_open_json(file, config, err);
    file_unmap(&file);
    file_unmap(&config);
    return tokenizer;
}

static bool answer(const struct tokenizer *tokenizer, const int32_t *fields, const char *text,
                   struct arena *arena)
{
    struct encode_options options = {fields[MAX_TOKENS] >= 0, (enum truncation)fields[STRATEGY],
                                     (size_t)fields[MAX_TOKENS]};
    const char *pair = fields[PAIR] >= 0 ? text + fields[TEXT] : NULL;
    struct encoding out;
    struct error err;
    if (!tokenizer_encode(tokenizer, text, (size_t)fields[TEXT], pair, pair ? (size_t)fields[PAIR] : 0,
                          &options, arena, &out, &err)) {
        int32_t head[2] = {-1, (int32_t)err.kind};
        return fwrite(head, sizeof head, 1, stdout) == 1;
    }
    int32_t head[2] = {(int32_t)out.length, (int32_t)out.full_length};
    return fwrite(head, sizeof head, 1, stdout) == 1 &&
           fwrite(out.ids, 4, out.length, stdout) == out.length &&
           fwrite(out.type_ids, 1, out.length, stdout) == out.length;
}

int main(int argc, char **argv)
{
    struct error err;
    struct arena arena;
    int32_t fields[FIELDS];
    if (argc < 3)
        return 2;
    struct tokenizer *tokenizer = open_tokenizer(argc, argv, &err);
    if (!tokenizer) {
        fprintf(stderr, "%s: %s\n", error_kind_name(err.kind), err.message);
        return 1;
    }
    arena_init(&arena, 1 << 20, SIZE_MAX);
    int status = 0;
    while (status == 0 && fread(fields, sizeof fields, 1, stdin) == 1) {
        size_t length = (size_t)fields[TEXT] + (fields[PAIR] > 0 ? (size_t)fields[PAIR] : 0);
        char *text =
            malloc(length + 1); /* exact but for a byte, so that a sanitizer sees a read past the end */
        if (!text || fread(text, 1, length, stdin) != length || !answer(tokenizer, fields, text, &arena))
            status = 2;
        free(text);
        arena_reset(&arena);
    }
    tokenizer_close(tokenizer);
    arena_free(&arena);
    return status;
}
