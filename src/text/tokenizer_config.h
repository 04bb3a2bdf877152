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
#include "text/bert_normalizer.h"

/* Tokens in the order in which transformers adds them. */
struct added_list {
    struct added_token *tokens; /* [count] */
    size_t count;
};

enum tokenizer_class_id {
    CLASS_FILE, /* what tokenizer.json says */
    CLASS_BERT,
    CLASS_MPNET,
    CLASS_ROBERTA,
    CLASS_DEBERTA,
    CLASS_XLM_ROBERTA,
    CLASS_CAMEMBERT,
    CLASS_ALBERT,
    CLASS_DEBERTA_V2,
};

/* The special tokens that have names, in the order in which transformers adds them. */
enum special_name {
    SPECIAL_BOS,
    SPECIAL_EOS,
    SPECIAL_UNK,
    SPECIAL_SEP,
    SPECIAL_PAD,
    SPECIAL_CLS,
    SPECIAL_MASK
};
enum { SPECIAL_COUNT = SPECIAL_MASK + 1 };

/* A class of transformers 5.24. All but CLASS_FILE build the tokenizer anew from the vocabulary, whatever the
 * rest of tokenizer.json says. */
struct tokenizer_class {
    const char *name; /* without "Fast" behind it */
    enum tokenizer_class_id id;
    const char *special[SPECIAL_COUNT]; /* what stands where the file has none, or NULL */
    bool normalizes_special;            /* those given as plain strings are "normalized" added tokens */
    bool mask_strips_left;              /* the mask token, given as a plain string, is an "lstrip" one */
    bool has_types;                     /* lists token_type_ids among its model_input_names */
};

/* The class that AutoTokenizer takes: `hub_name` is what tokenizer_config.json or config.json calls it, or
 * NULL; `model_type` is config.json's, or NULL. NULL where linnet does not know it. */
const struct tokenizer_class *tokenizer_class_find(const char *hub_name, const char *model_type);

struct tokenizer_config {
    const struct tokenizer_class *class;
    struct bert_normalizer normalizer; /* for CLASS_BERT and CLASS_MPNET */
    bool do_lower_case;                /* the others' */
    bool add_prefix_space, keep_accents, split_by_punct;
    size_t unknown_id;                /* for CLASS_DEBERTA_V2 */
    const char *named[SPECIAL_COUNT]; /* the special tokens' texts, or NULL */
    bool has_added;                   /* added_tokens_decoder is there */
    struct added_list added;          /* added_tokens_decoder, by id */
    struct added_list special;        /* the named special tokens, then the extra ones */
    bool has_truncation_side, truncate_left;
    size_t max_length; /* 0: none */
    bool cleans_up;    /* clean_up_tokenization_spaces: of decoded text */
    bool trim_offsets; /* for CLASS_ROBERTA */
    bool has_types;    /* model_input_names has, or the class by itself gives, "token_type_ids" */
};

/* Reads the file, or gives the class's defaults where `blob` is absent. `model` is config.json or absent:
 * then a file that names no class is BERT's. The result points into `arena`. On failure false: ERR_BAD_MODEL,
 * ERR_UNSUPPORTED_MODEL or ERR_NO_MEMORY. */
bool tokenizer_config_read(struct blob blob, struct blob model, struct arena *arena,
                           struct tokenizer_config *out, struct error *err);

/* Reads a token's object ({"content", "lstrip", ...}); `where` names it in messages. */
bool added_token_read(yyjson_val *object, const char *where, struct added_token *out, struct error *err);

/* Reads an optional boolean field: the default stands where it is absent. */
bool json_read_bool(yyjson_val *object, const char *key, bool *inout, const char *where, struct error *err);

#endif
