/* config.json: what a model is, checked before anything of it is computed.
 *
 * Keys that are missing have the defaults of transformers' configuration classes, which families.c holds.
 */
#ifndef LINNET_MODEL_CONFIG_H
#define LINNET_MODEL_CONFIG_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/kern.h"
#include "model/distances.h"

enum problem_type { PROBLEM_UNSET, PROBLEM_REGRESSION, PROBLEM_SINGLE_LABEL, PROBLEM_MULTI_LABEL };

struct family;
struct head;
struct sentence;

/* Which head of its architecture a model is read for. */
enum head_wish {
    HEAD_OF_FILES,      /* the one that config.json names */
    HEAD_OF_EMBEDDINGS, /* none, unless config.json names a classifier */
    HEAD_OF_FEATURES,   /* none, whatever config.json names */
};

/* What attention knows of positions beside what the embeddings say. What a family's scheme does not have is
 * zero. */
struct attention_config {
    float theta, local_theta; /* bases of the rotary angles; 0: not rotated */
    int window;               /* of local layers */
    const bool *local;        /* [layers]; or NULL: none is */

    /* Disentangled attention: which of its two terms the scores have beside query and key, of how many terms
     * the scale is, and how distances fall into the relative embeddings' rows. */
    bool query_to_position, key_to_position;
    int score_terms;
    bool shares_projections; /* of queries and keys, for the relative embeddings too */
    bool norms_embeddings;   /* the relative ones */
    struct distance_buckets buckets;
};

/* Where the linear layers and norms have biases. */
struct biases {
    bool attention, intermediate, norms, head_dense, head_output;
};

struct model_config {
    const struct family *family;
    const struct head *head;
    int vocab_size, hidden, heads, intermediate;
    int layers; /* each one, or the inner_layers of its group, is walked in turn */
    int groups; /* of layers that share weights; without sharing, layers */
    int inner_layers;
    int embedding;     /* of the embeddings' width */
    bool projects;     /* from embedding to hidden */
    int max_positions; /* rows of the position table */
    bool position_table;
    int max_tokens; /* of one item: max_positions less what the position scheme leaves out */
    int pad;        /* the token that the position scheme counts on from, where it has one */
    int type_vocab; /* 0: the family has no token types */
    enum activation activation;
    const char *activation_name;     /* as config.json says it */
    enum activation head_activation; /* of the head's dense layer */
    bool pools_mean;                 /* over all tokens; else the first token's state is pooled */
    bool ties_output;                /* a masked language model's output is the word table */
    struct biases biases;
    struct attention_config attention;
    float layer_norm_eps;
    enum problem_type problem_type;
    int label_count;                 /* 0 without a head */
    const char *const *labels;       /* [label_count], by id */
    const struct sentence *sentence; /* how states become embeddings, of a model without a head, or logits
                                        sparse ones; else NULL */
};

/* How many layers the walk goes through, and how many the model's files hold. */
int config_walked_layers(const struct model_config *config);
int config_stored_layers(const struct model_config *config);

/* Multiplications and additions of the products of one token with the matrices of all walked layers. */
double config_token_operations(const struct model_config *config);

/* Which stored layer is the walked-th: 0 <= walked < config_walked_layers(). */
int config_stored_layer(const struct model_config *config, int walked);

/* quantization_config.quant_method of what `linnet quantize --to int8` writes: docs/format.md. */
#define CONFIG_QUANT_METHOD "linnet"

/* Reads config.json, all but out->sentence; strings live in `arena`. On failure ERR_BAD_MODEL (damaged,
 * contradictory) or ERR_UNSUPPORTED_MODEL, naming the key, its value and what is supported. */
bool config_read(struct blob json, enum head_wish wish, struct arena *arena, struct model_config *out,
                 struct error *err);

const char *problem_type_name(enum problem_type type); /* config.json's words; NULL for PROBLEM_UNSET */

#endif
