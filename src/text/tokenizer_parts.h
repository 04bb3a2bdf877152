/* What a tokenizer is made of. For the loaders (tokenizer_json.c, tokenizer_vocab.c) and tokenizer.c only. */
#ifndef LINNET_TEXT_TOKENIZER_PARTS_H
#define LINNET_TEXT_TOKENIZER_PARTS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/postprocessor.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/wordpiece.h"

struct tokenizer {
    struct arena arena; /* all that the parts point to */
    struct normalizer normalizer;
    struct wordpiece model;
    struct added_tokens added;
    struct postprocessor postprocessor;
    size_t max_length; /* 0: none */
    bool has_types;
    size_t vocab_size;
};

/* An empty tokenizer, or NULL and ERR_NO_MEMORY. Release with tokenizer_close(). */
struct tokenizer *tokenizer_new(struct error *err);

/* Parses a tokenizer's JSON file whose top must be an object; NULL on failure, with `name` in the message:
 * ERR_BAD_MODEL or ERR_NO_MEMORY. */
yyjson_val *tokenizer_parse(struct blob blob, const char *name, struct arena *arena, struct error *err);

/* Refuses a file too large for the loaders' 32-bit lengths. */
bool tokenizer_check_size(struct blob blob, const char *name, struct error *err);

/* Completes a WordPiece model whose vocabulary is filled: finishes it and finds the unknown token. */
bool tokenizer_set_model(struct tokenizer *tokenizer, const char *unknown, const char *prefix,
                         size_t prefix_length, uint64_t max_characters, struct error *err);

/* Puts [CLS] and [SEP] around sequences as BERT does: [CLS] A [SEP] B [SEP], the type of B and its [SEP]
 * being 1. */
bool tokenizer_set_bert_template(struct tokenizer *tokenizer, int32_t cls_id, int32_t sep_id,
                                 struct error *err);

/* Sets the templates from the "post_processor" of a tokenizer.json. */
bool tokenizer_read_template(struct tokenizer *tokenizer, yyjson_val *root, struct error *err);

/* Checks that root[key] is an object of the one "type" that is supported there. */
bool tokenizer_read_part(yyjson_val *root, const char *key, const char *supported, struct error *err);

/* Reads an id; `where` and `what` tell in messages whose. */
bool tokenizer_read_id(yyjson_val *value, const char *where, const char *what, int32_t *out,
                       struct error *err);

/* Adds each of the list's tokens. */
bool tokenizer_add_list(struct tokenizer *tokenizer, const struct added_list *list, struct error *err);

/* Gives a tokenizer whose vocabulary is filled everything that transformers' BertTokenizer takes from
 * tokenizer_config.json rather than from the tokenizer's own file: the normalizer, the added tokens, the
 * template. `file_tokens` are the file's own added tokens, used where the config lists none. */
bool tokenizer_finish_bert(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                           const struct added_list *file_tokens, struct error *err);

/* Adds the config's special tokens where they are not added yet, then completes the added tokens and the
 * counts. */
bool tokenizer_finish_added(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                            struct error *err);

bool tokenizer_no_memory(struct error *err); /* false */

#endif
