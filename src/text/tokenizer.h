/* Text to token ids, as the `tokenizers` package does it (the oracle: ids are equal for every input).
 *
 * A tokenizer is immutable after it was opened: any number of threads may encode with it at once.
 * Supported: WordPiece, BPE (on bytes and on characters), Unigram and WordLevel models; the normalizers and
 * pre-tokenizers of normalizer.h and pretokenizer.h; TemplateProcessing, BertProcessing, RobertaProcessing
 * and ByteLevel post-processors; sequences of these; added and special tokens (normalized, single_word,
 * lstrip, rstrip), pairs, truncation. Anything else in tokenizer.json is refused by name with
 * ERR_UNSUPPORTED_MODEL. The file's own "truncation" and "padding" are ignored, as `transformers` overrides
 * both at each call.
 */
#ifndef LINNET_TEXT_TOKENIZER_H
#define LINNET_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"

struct tokenizer;

/* What a truncation takes tokens from (Hugging Face's names: longest_first, only_first, only_second). */
enum truncation { TRUNCATE_LONGEST_FIRST, TRUNCATE_ONLY_FIRST, TRUNCATE_ONLY_SECOND };

/* The end of a sequence that it takes them from; as the tokenizer's files say, or this one. */
enum truncation_side { TRUNCATE_AS_TOKENIZER, TRUNCATE_LEFT, TRUNCATE_RIGHT };

struct encode_options {
    bool truncate;
    enum truncation strategy; /* longest_first takes from the longer text, the first on a tie */
    enum truncation_side side;
    size_t max_tokens; /* with truncate: at most this many tokens, special ones included */
    bool places;       /* say where tokens came from; several times slower */
    bool plain;        /* the text alone, without special tokens around it; of one text only */
};

/* Where a token came from: the characters (code points) [start, end) of its text, which is the first or the
 * pair. Tokens of one character's bytes share its place. */
struct token_place {
    uint32_t start, end; /* 0, 0 for a special token */
    int32_t word;        /* the word's number in its text; -1: a special token put around the texts */
};

struct encoding {
    int32_t *ids;               /* [length] */
    uint8_t *type_ids;          /* [length] */
    struct token_place *places; /* [length], or NULL where they were not asked for */
    size_t length;
    size_t full_length; /* tokens before truncation, special ones included; == length when none were cut */
};

/* The files that a tokenizer is made of; absent ones have no bytes. */
struct tokenizer_files {
    struct blob json;       /* tokenizer.json; the next three count only where it is absent */
    struct blob vocab;      /* vocab.txt: one token a line, its id is the line's number from 0 */
    struct blob vocab_json; /* vocab.json and merges.txt: byte-level BPE */
    struct blob merges;
    struct blob config; /* tokenizer_config.json */
    struct blob
        model_config; /* config.json: "model_type" and "tokenizer_class" where `config` names no class */
    bool lower_case; /* sentence-transformers' do_lower_case: a Lowercase normalizer before all others, unless
                        there is one among them */
};

/* Opens a tokenizer as transformers 5.24's AutoTokenizer does.
 *
 * The class that the configs name decides. PreTrainedTokenizerFast, and any for a ModernBERT, takes
 * tokenizer.json as it stands. The classes of BERT and its kin, MPNet, RoBERTa, DeBERTa, XLM-RoBERTa,
 * CamemBERT, ALBERT and DeBERTa-v2 take only its vocabulary and merges, its charsmap, and its added tokens
 * unless the config has an added_tokens_decoder; the rest comes from the class and the config (do_lower_case,
 * ...). Parts of the file that are not supported are refused even where they would not count. The config's
 * special tokens are added in either case. Without tokenizer.json, BERT's and MPNet's classes read `vocab`,
 * RoBERTa's and DeBERTa's `vocab_json` and `merges`.
 *
 * The blobs are not needed afterwards. On failure NULL: ERR_BAD_MODEL (damaged; with line and column or the
 * field) or ERR_UNSUPPORTED_MODEL (what, where, and what is supported). Release with tokenizer_close(). */
struct tokenizer *tokenizer_open(const struct tokenizer_files *files, struct error *err);

void tokenizer_close(struct tokenizer *tokenizer); /* NULL is fine */

/* How many special tokens one text gets, or a pair. */
size_t tokenizer_special_count(const struct tokenizer *tokenizer, bool pair);

/* tokenizer_config.json's model_max_length, or 0 where it has none or a placeholder (1e9 or more). */
size_t tokenizer_max_length(const struct tokenizer *tokenizer);

/* Whether transformers hands the type ids to the model: where the tokenizer's class or model_input_names say
 * so. Else the model takes 0 for every token of a pair, whatever type_ids holds. */
bool tokenizer_has_types(const struct tokenizer *tokenizer);

/* A token's text, which may hold NUL; a further NUL stands behind it. */
struct token_text {
    const char *text; /* [length] */
    size_t length;
};

/* Of an id that has no token, NULL and 0. Lives as long as the tokenizer. */
struct token_text tokenizer_token(const struct tokenizer *tokenizer, int32_t id);

/* The id of the token with exactly this text, or -1. */
int32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t length);

/* Special tokens by their use: transformers' mask_token_id, pad_token_id and unk_token_id; -1: none. */
enum special_id { SPECIAL_ID_MASK, SPECIAL_ID_PAD, SPECIAL_ID_UNKNOWN, SPECIAL_ID_COUNT };
int32_t tokenizer_special_id(const struct tokenizer *tokenizer, enum special_id special);

/* Whether tokens inside a word are written otherwise than at its beginning ("##ing"): the package's
 * continuing_subword_prefix. */
bool tokenizer_has_prefix(const struct tokenizer *tokenizer);

/* ERR_UNSUPPORTED_MODEL where the tokenizer's decoder has a part that is not supported: then the two below
 * fail alike. */
bool tokenizer_can_decode(const struct tokenizer *tokenizer, struct error *err);

/* The text of `count` tokens' texts, as convert_tokens_to_string() of transformers 5.24 makes it;
 * NUL-terminated, in `arena`. False: ERR_UNSUPPORTED_MODEL, ERR_NO_MEMORY. */
bool tokenizer_join(const struct tokenizer *tokenizer, const struct token_text tokens[], size_t count,
                    struct arena *arena, const char **out, size_t *length, struct error *err);

/* The text of `count` ids, as its decode() makes it, without special tokens where `skip_special` says so. */
bool tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special,
                      struct arena *arena, const char **out, size_t *length, struct error *err);

/* Encodes text[0..text_length) and, where pair is not NULL, pair[0..pair_length) with special tokens. An
 * empty pair is a pair (transformers takes an empty text_pair of one text for none). The texts must be valid
 * UTF-8 and may hold NUL.
 *
 * The result lives in `arena`. Scratch memory, which may be as much as the arena's limit, is given back: 6 to
 * 12 bytes a byte of ordinary text, about 60 where a text is one long word of a BPE or Unigram model, about
 * 100 more with places. On failure false:
 * ERR_BAD_INPUT where max_tokens is below the count of special tokens, ERR_TOO_LONG where only_first or
 * only_second cannot cut that much from its sequence, ERR_NO_MEMORY.
 */
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t text_length,
                      const char *pair, size_t pair_length, const struct encode_options *options,
                      struct arena *arena, struct encoding *out, struct error *err);

#endif
