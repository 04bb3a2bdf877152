/* From the states of a text's tokens to its embedding, as sentence-transformers' files beside a model say:
 * pooling, then Dense layers, then perhaps normalisation. Or to a sparse embedding, which has a number for
 * each token of the vocabulary, most of them 0: from the logits of a masked language model (SPLADE: Formal et
 * al. 2021).
 *
 * Source: sentence-transformers 5.4 (sentence_transformer/modules/pooling.py, base/modules/dense.py,
 * normalize.py, transformer.py; sparse_encoder/modules/splade_pooling.py) and the files that its versions
 * since 2 write: modules.json, 1_Pooling/config.json, 1_SpladePooling/config.json, N_Dense, N_Normalize,
 * sentence_bert_config.json (and its older names), config_sentence_transformers.json.
 */
#ifndef LINNET_MODEL_SENTENCE_H
#define LINNET_MODEL_SENTENCE_H

#include "model/config.h"
#include "model/tensors.h"

/* Of an item's states s[1..n], for each column. */
enum pooling {
    POOLING_CLS,           /* s[1] */
    POOLING_MAX,           /* the largest */
    POOLING_MEAN,          /* sum of s / n */
    POOLING_MEAN_SQRT_LEN, /* sum of s / sqrt(n) */
    POOLING_WEIGHTED_MEAN, /* sum of i s[i] / sum of i */
    POOLING_LAST_TOKEN,    /* s[n] */
};
enum { POOLING_COUNT = 6, SENTENCE_MAX_DENSE = 4 };

/* Who says how to pool. */
enum pooling_origin { POOLING_FROM_FILES, POOLING_ASKED_FOR, POOLING_ASSUMED };

struct dense {
    int in, out;
    bool has_bias;
    enum activation activation;
    struct tensors tensors; /* "linear.weight" [out][in], "linear.bias" [out] */
};

/* A text to put before others, for what a model was trained to tell apart by it. */
struct prompt {
    const char *name, *text;
};

/* The one that --pooling calls so: sparse. */
#define SPLADE_NAME "splade"

/* Of a text's logits x[1..n], for each token of the vocabulary: the largest, or the sum, of what
 * log(1 + max(x, 0)) makes of each. */
struct splade {
    bool sums;
    bool twice; /* log(1 + log(1 + max(x, 0))) */
};

struct sentence {
    bool is_sparse;
    struct splade splade;                /* where it is sparse: in place of pooling, dense and normalises */
    enum pooling pooling[POOLING_COUNT]; /* [pooling_count], their results one after the other */
    int pooling_count;
    const char *pooling_name; /* "mean", "cls+max", "splade" */
    enum pooling_origin origin;
    struct dense dense[SENTENCE_MAX_DENSE]; /* [dense_count], in order */
    int dense_count;
    int dimensions;               /* of what the modules make; of a sparse embedding the vocabulary */
    int kept;                     /* of these, the first so many are the embedding: truncate_dim */
    bool normalises;              /* to length 1, all of the dimensions */
    int max_tokens;               /* of one text; 0: not said */
    bool lower_case;              /* of the text, before it is tokenized */
    const struct prompt *prompts; /* [prompt_count] */
    int prompt_count;
    const char *default_prompt; /* the text that encode() puts before each text, or NULL */
};

/* Reads what `files` have of it for an encoder of config->hidden; for one with the head of a masked language
 * model it is sparse. `asked` is a pooling ("mean", "cls", "cls+max"; of a sparse one "splade") or NULL: what
 * the files say, else the mean. Strings and tensor lists live in `arena`.
 * ERR_UNSUPPORTED_MODEL (a module or an option that linnet lacks), ERR_BAD_MODEL, ERR_USAGE (`asked`),
 * ERR_NO_MEMORY. */
bool sentence_read(const struct model_files *files, const struct model_config *config, const char *asked,
                   struct arena *arena, struct sentence *out, struct error *err);

/* Whether the embeddings have length 1 as the model's own modules make them. */
static inline bool sentence_gives_unit_length(const struct sentence *sentence)
{
    return sentence->normalises && sentence->kept == sentence->dimensions;
}

/* Whether `asked` is a pooling that linnet has; ERR_USAGE names those there are. */
bool pooling_check(const char *asked, struct error *err);

#endif
