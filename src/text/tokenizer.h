/* Text to token ids, as the `tokenizers` package does it (the oracle: ids are equal for every input).
 *
 * A tokenizer is immutable after it was opened: any number of threads may encode with it at once.
 * Supported: the BertNormalizer, BertPreTokenizer, WordPiece model, BertProcessing and TemplateProcessing
 * post-processors, added and special tokens (normalized, single_word, lstrip, rstrip), pairs, truncation.
 * Anything else in tokenizer.json is refused by name with ERR_UNSUPPORTED_MODEL. The file's own "truncation"
 * and "padding" are ignored, as `transformers` overrides both at each call.
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

struct encode_options {
    bool truncate;
    enum truncation strategy; /* longest_first takes from the longer text, the first on a tie */
    size_t max_tokens;        /* with truncate: at most this many tokens, special ones included */
};

struct encoding {
    int32_t *ids;      /* [length] */
    uint8_t *type_ids; /* [length] */
    size_t length;
    size_t full_length; /* tokens before truncation, special ones included; == length when none were cut */
};

/* Opens a tokenizer from the bytes of tokenizer.json; `config` is tokenizer_config.json or absent.
 *
 * As transformers 5: where the config's tokenizer_class is BertTokenizer or of its kin, or there is none,
 * only the vocabulary counts (and the added tokens, unless the config has an added_tokens_decoder); the
 * normalizer, the unknown token and the template come from the config, whose defaults are BERT's
 * (do_lower_case is true). Where the class is PreTrainedTokenizerFast, the file is taken as it stands. The
 * config's special tokens are added to either. Parts that are not supported are refused even where they would
 * not count.
 *
 * The blobs are not needed afterwards. On failure NULL: ERR_BAD_MODEL (damaged; with line and column or the
 * field) or ERR_UNSUPPORTED_MODEL (what, where, and what is supported). Release with tokenizer_close(). */
struct tokenizer *tokenizer_open_json(struct blob json, struct blob config, struct error *err);

/* The same from vocab.txt (one token a line, its id is the line's number from 0) and tokenizer_config.json
 * (or absent: BERT's defaults), as transformers' BertTokenizer(Fast) reads them: do_lower_case,
 * strip_accents, tokenize_chinese_chars, and the special tokens' names. */
struct tokenizer *tokenizer_open_vocab(struct blob vocab, struct blob config, struct error *err);

void tokenizer_close(struct tokenizer *tokenizer); /* NULL is fine */

size_t tokenizer_vocab_size(const struct tokenizer *tokenizer); /* highest id + 1 */

/* tokenizer_config.json's model_max_length, or 0 where it has none or a placeholder (1e9 or more). */
size_t tokenizer_max_length(const struct tokenizer *tokenizer);

/* Whether transformers hands the type ids to the model: where the tokenizer's class or model_input_names say
 * so. Else the model takes 0 for every token of a pair, whatever type_ids holds. */
bool tokenizer_has_types(const struct tokenizer *tokenizer);

/* The token's text, or NULL for an id that has none. Lives as long as the tokenizer. */
const char *tokenizer_token(const struct tokenizer *tokenizer, int32_t id);

/* Encodes text[0..text_length) and, where pair is not NULL, pair[0..pair_length) with special tokens. An
 * empty pair is a pair (transformers takes an empty text_pair of one text for none). The texts must be valid
 * UTF-8 and may hold NUL.
 *
 * The result lives in `arena`, as does scratch memory: 6 to 9 bytes a byte of ordinary text, 33 where every
 * byte is a token. On failure false: ERR_BAD_INPUT where the truncation cannot be met (max_tokens below the
 * count of special tokens, or only_first or only_second with a sequence too short to cut), ERR_NO_MEMORY.
 */
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t text_length,
                      const char *pair, size_t pair_length, const struct encode_options *options,
                      struct arena *arena, struct encoding *out, struct error *err);

#endif
