/* tokenizer_config.json: what transformers takes from it. */
#ifndef LINNET_TEXT_TOKENIZER_CONFIG_H
#define LINNET_TEXT_TOKENIZER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"

/* Tokens in the order in which transformers adds them. */
struct added_list {
    struct added_token *tokens; /* [count] */
    size_t count;
};

struct tokenizer_config {
    /* transformers rebuilds a BertTokenizer (and its kin) from the vocabulary and these settings, whatever
     * the rest of tokenizer.json says; a PreTrainedTokenizerFast is what tokenizer.json says. */
    bool rebuilds_bert;
    struct normalizer normalizer;
    const char *unknown, *cls, *sep; /* for a rebuilt tokenizer */
    bool has_added;                  /* added_tokens_decoder is there */
    struct added_list added;         /* added_tokens_decoder, by id */
    struct added_list special;       /* the named special tokens, then the extra ones */
    bool has_truncation_side, truncate_left;
    size_t max_length; /* 0: none */
    bool has_types;    /* model_input_names has, or the class by itself gives, "token_type_ids" */
};

/* Reads the file, or gives BERT's defaults where `blob` is absent. The result points into `arena`.
 * On failure false: ERR_BAD_MODEL, ERR_UNSUPPORTED_MODEL or ERR_NO_MEMORY. */
bool tokenizer_config_read(struct blob blob, struct arena *arena, struct tokenizer_config *out,
                           struct error *err);

/* Reads a token's object ({"content", "lstrip", ...}); `where` names it in messages. */
bool added_token_read(yyjson_val *object, const char *where, struct added_token *out, struct error *err);

/* Reads an optional boolean field: the default stands where it is absent. */
bool json_read_bool(yyjson_val *object, const char *key, bool *inout, const char *where, struct error *err);

#endif
