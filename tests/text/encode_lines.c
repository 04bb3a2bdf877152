/* Encodes the records on stdin for test_oracle.py and the benchmark.
 *
 * Usage: encode_lines [places] json|vocab FILE [TOKENIZER_CONFIG], or encode_lines [places] directory
 * DIRECTORY A record: int32 text length, int32 pair length (-1: none), int32 max_tokens (-1: no truncation),
 * int32 strategy (as enum truncation), then the bytes of both texts. An answer: int32 length, int32
 * full_length, int32 ids[length], uint8 type_ids[length]; or int32 -1 and int32 error kind. With "places"
 * there follow int32 [length][3]: start, end and word of each token; then int32 decoded length and the text
 * that all ids decode to, and the same without special tokens. All little-endian. The exit status is 1, and
 * stderr has the message, where the tokenizer does not open; 3 where encoding with places gives other tokens
 * than without.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/tokenizer.h"

enum { TEXT, PAIR, MAX_TOKENS, STRATEGY, FIELDS };

/* The files of a directory under their own names, or those that the arguments name. */
static bool map_files(int argc, char **argv, struct tokenizer_files *files, struct error *err)
{
    static const char *const names[] = {"tokenizer.json",        "vocab.txt",  "vocab.json", "merges.txt",
                                        "tokenizer_config.json", "config.json"};
    struct blob *const blobs[] = {&files->json,   &files->vocab,  &files->vocab_json,
                                  &files->merges, &files->config, &files->model_config};
    if (strcmp(argv[1], "directory") != 0)
        return file_map(argv[2], strcmp(argv[1], "vocab") == 0 ? &files->vocab : &files->json, err) &&
               (argc < 4 || file_map(argv[3], &files->config, err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[2], names[i]);
        if (access(path, F_OK) == 0 && !file_map(path, blobs[i], err))
            return false;
    }
    return true;
}

static struct tokenizer *open_tokenizer(int argc, char **argv, struct error *err)
{
    struct tokenizer_files files = {0};
    struct tokenizer *tokenizer = map_files(argc, argv, &files, err) ? tokenizer_open(&files, err) : NULL;
    file_unmap(&files.json);
    file_unmap(&files.vocab);
    file_unmap(&files.vocab_json);
    file_unmap(&files.merges);
    file_unmap(&files.config);
    file_unmap(&files.model_config);
    return tokenizer;
}

static bool write_decoded(const struct tokenizer *tokenizer, const struct encoding *encoding,
                          bool skip_special, struct arena *arena)
{
    struct error err;
    const char *text = "";
    size_t length = 0;
    if (tokenizer_can_decode(tokenizer, &err) && !tokenizer_decode(tokenizer, encoding->ids, encoding->length,
                                                                   skip_special, arena, &text, &length, &err))
        return false;
    int32_t head = (int32_t)length;
    return fwrite(&head, sizeof head, 1, stdout) == 1 && fwrite(text, 1, length, stdout) == length;
}

/* What a second encoding, with places, adds to the first. */
static bool write_places(const struct tokenizer *tokenizer, const int32_t *fields, const char *text,
                         struct encode_options options, const struct encoding *plain, struct arena *arena)
{
    const char *pair = fields[PAIR] >= 0 ? text + fields[TEXT] : NULL;
    struct encoding out;
    struct error err;
    options.places = true;
    if (!tokenizer_encode(tokenizer, text, (size_t)fields[TEXT], pair, pair ? (size_t)fields[PAIR] : 0,
                          &options, arena, &out, &err))
        return false;
    if (out.length != plain->length || memcmp(out.ids, plain->ids, out.length * sizeof *out.ids) != 0)
        exit(3);
    return fwrite(out.places, sizeof *out.places, out.length, stdout) == out.length &&
           write_decoded(tokenizer, &out, false, arena) && write_decoded(tokenizer, &out, true, arena);
}

static bool answer(const struct tokenizer *tokenizer, const int32_t *fields, const char *text, bool places,
                   struct arena *arena)
{
    struct encode_options options = {.truncate = fields[MAX_TOKENS] >= 0,
                                     .strategy = (enum truncation)fields[STRATEGY],
                                     .max_tokens = (size_t)fields[MAX_TOKENS]};
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
           fwrite(out.type_ids, 1, out.length, stdout) == out.length &&
           (!places || write_places(tokenizer, fields, text, options, &out, arena));
}

int main(int argc, char **argv)
{
    struct error err;
    struct arena arena;
    int32_t fields[FIELDS];
    const bool places = argc > 1 && strcmp(argv[1], "places") == 0;
    argc -= places;
    argv += places;
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
        if (!text || fread(text, 1, length, stdin) != length ||
            !answer(tokenizer, fields, text, places, &arena))
            status = 2;
        free(text);
        arena_reset(&arena);
    }
    tokenizer_close(tokenizer);
    arena_free(&arena);
    return status;
}
