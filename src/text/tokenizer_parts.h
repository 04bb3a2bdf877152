/* What a tokenizer is made of. For the loaders (tokenizer_json.c, tokenizer_vocab.c) and tokenizer.c only. */
#ifndef LINNET_TEXT_TOKENIZER_PARTS_H
#define LINNET_TEXT_TOKENIZER_PARTS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/postprocessor.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

enum model_kind { MODEL_WORDPIECE, MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDLEVEL };

struct tokenizer {
    struct arena arena; /* all that the parts point to */
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    enum model_kind kind;
    struct vocabulary vocabulary;
    struct wordpiece wordpiece; /* each only where it is the kind */
    struct bpe bpe;
    struct unigram unigram;
    int32_t unknown_id; /* MODEL_WORDLEVEL */
    struct added_tokens added;
    struct postprocessor postprocessor;
    struct decoder decoder;
    bool cleans_up; /* what was decoded */
    int32_t special_ids[SPECIAL_ID_COUNT];
    size_t max_length; /* 0: none */
    bool has_types;
};

/* Fill an empty tokenizer from tokenizer.json, or from the vocabulary files. On failure false, with the
 * errors of tokenizer_open(). */
bool tokenizer_build_json(struct tokenizer *tokenizer, const struct tokenizer_files *files,
                          struct arena *scratch, struct error *err);
bool tokenizer_build_vocab(struct tokenizer *tokenizer, const struct tokenizer_files *files,
                           struct arena *scratch, struct error *err);

/* Parses a tokenizer's JSON file whose top must be an object; NULL on failure, with `name` in the message:
 * ERR_BAD_MODEL or ERR_NO_MEMORY. */
yyjson_val *tokenizer_parse(struct blob blob, const char *name, struct arena *arena, struct error *err);

/* Refuses a file too large for the loaders' 32-bit lengths. */
bool tokenizer_check_size(struct blob blob, const char *name, struct error *err);

/* Finishes a vocabulary that is filled; refuses one that is empty or has an id twice. */
bool tokenizer_finish_vocabulary(struct tokenizer *tokenizer, struct error *err);

/* Finds the unknown token in a finished vocabulary. */
bool tokenizer_find_unknown(const struct tokenizer *tokenizer, const char *unknown, int32_t *id,
                            struct error *err);

/* Makes a WordPiece model of a vocabulary that is filled. */
bool tokenizer_set_wordpiece(struct tokenizer *tokenizer, const char *unknown, const char *prefix,
                             size_t prefix_length, uint64_t max_characters, struct error *err);

/* BERT's normalizer and pre-tokenizer. */
bool tokenizer_set_bert_parts(struct tokenizer *tokenizer, const struct bert_normalizer *settings,
                              struct error *err);

/* Adds the parts that the "normalizer" and the "pre_tokenizer" of a tokenizer.json describe, and of its
 * normalizers the first Precompiled alone. */
bool tokenizer_read_normalizer(struct tokenizer *tokenizer, yyjson_val *root, struct error *err);
bool tokenizer_read_pretokenizer(struct tokenizer *tokenizer, yyjson_val *root, struct error *err);
bool tokenizer_read_charsmap(struct tokenizer *tokenizer, yyjson_val *root, struct error *err);

/* Sets the decoder from the "decoder" of a tokenizer.json, of which any type is taken (tokenizer_can_decode()
 * says no later), or as the config's class has it. */
bool tokenizer_read_decoder(struct tokenizer *tokenizer, yyjson_val *root, struct error *err);
bool tokenizer_set_class_decoder(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                                 struct error *err);

/* Sets the model from a tokenizer.json's "model", or from vocab.json and merges.txt, once the pre-tokenizer
 * is there. The config's class decides what it decides in transformers. An untyped model is told by its
 * fields, as the package does. */
bool tokenizer_read_model(struct tokenizer *tokenizer, yyjson_val *root,
                          const struct tokenizer_config *config, struct error *err);
bool tokenizer_read_merges(struct tokenizer *tokenizer, yyjson_val *vocab, struct blob merges,
                           struct error *err);

/* Puts [CLS] and [SEP] around sequences as BERT does: [CLS] A [SEP] B [SEP], the type of B and its [SEP]
 * being 1. */
bool tokenizer_set_bert_template(struct tokenizer *tokenizer, int32_t cls_id, int32_t sep_id,
                                 struct error *err);

/* The same as RoBERTa does: [CLS] A [SEP] [SEP] B [SEP], every type 0. */
bool tokenizer_set_roberta_template(struct tokenizer *tokenizer, int32_t cls_id, int32_t sep_id,
                                    struct error *err);

/* Sets the templates from the "post_processor" of a tokenizer.json. */
bool tokenizer_read_template(struct tokenizer *tokenizer, yyjson_val *root, struct error *err);

/* The "type" of a part, which must be an object with one; NULL on failure. `key` names the part. */
const char *tokenizer_part_type(yyjson_val *part, const char *key, struct error *err);

/* ERR_UNSUPPORTED_MODEL: the part's type, and what is supported there. False. */
bool tokenizer_refuse_type(const char *key, const char *type, const char *supported, struct error *err);

/* Fields of a part: a boolean that must be there, or that has a default in *out; a string that must be there
 * and not be NULL, and may be empty; a list that must be there, NULL on failure. `where` names the part. */
bool tokenizer_need_bool(yyjson_val *part, const char *key, bool *out, const char *where, struct error *err);
bool tokenizer_need_string(yyjson_val *part, const char *key, const char **out, size_t *length,
                           const char *where, struct error *err);
yyjson_val *tokenizer_need_list(yyjson_val *part, const char *key, const char *where, struct error *err);

/* {"String": "..."} or {"Regex": "..."} */
bool tokenizer_read_pattern(struct tokenizer *tokenizer, yyjson_val *part, const char *where,
                            struct pattern *out, struct error *err);

/* Reads an id; `where` and `what` tell in messages whose. */
bool tokenizer_read_id(yyjson_val *value, const char *where, const char *what, int32_t *out,
                       struct error *err);

/* Adds each of the list's tokens. */
bool tokenizer_add_list(struct tokenizer *tokenizer, const struct added_list *list, struct error *err);

/* For a class that transformers builds anew: first its normalizer and pre-tokenizer in place of the file's,
 * of which `root`, the tokenizer.json or NULL, gives the charsmap; then, once the model is there, its added
 * tokens and template. `file_tokens` are the file's own added tokens, used where the config lists none.
 * `scratch` must live until the tokenizer is complete. */
bool tokenizer_rebuild_parts(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                             yyjson_val *root, struct arena *scratch, struct error *err);
bool tokenizer_rebuild_finish(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                              const struct added_list *file_tokens, yyjson_val *root, struct error *err);

/* Adds the config's special tokens where they are not added yet, then completes the added tokens and the
 * counts. */
bool tokenizer_finish_added(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                            struct error *err);

bool tokenizer_no_memory(struct error *err); /* false */

#endif
