/* Model families: what differs between encoders that are walked alike, as data (families.c).
 *
 * Source of the names: transformers' configuration_*.py and modeling_*.py of each family (version 5.24).
 */
#ifndef LINNET_MODEL_FAMILY_H
#define LINNET_MODEL_FAMILY_H

#include <stdbool.h>
#include <stddef.h>

#include "kern/kern.h"
#include "model/config.h"
#include "model/tensors.h"

/* What a model computes of its last hidden states. */
enum head_kind {
    HEAD_CLASSIFICATION,       /* a row of logits an item, of its pooled state */
    HEAD_TOKEN_CLASSIFICATION, /* a row of logits a token */
    HEAD_MASKED_LM,            /* a row of logits a token, one for each token of the vocabulary */
    HEAD_NONE,                 /* the states themselves, or pooled */
};

/* One architecture's head: states -> dense -> activation -> norm -> output, of which any but HEAD_NONE has
 * the output. Names as in struct family_names, but whole. */
struct head {
    const char *architecture; /* in config.json's architectures */
    enum head_kind kind;
    const char *unless_key; /* of config.json: the head is of models that say false; or NULL. It stands after
                               the architecture's head of the others. */
    const char *dense; /* [hidden][hidden], of HEAD_MASKED_LM [embedding][hidden], or NULL: no activation */
    enum activation activation;
    const char *activation_key; /* of config.json, which may say another; or NULL */
    const char *pooling_key;    /* "cls" or "mean"; or NULL: cls */
    const char *norm;           /* or NULL */
    const char *output; /* [labels][hidden], or [vocabulary][embedding], which may be NULL: the word table */
    const char *output_bias; /* where the bias stands if not beside the output, or NULL */
    const char *bias_key;    /* of config.json: whether the output has a bias; or NULL: it has */
};

/* Which row of the position table a token has. */
enum position_scheme {
    POSITIONS_FROM_ZERO,
    /* pad_token_id for each padding token, even one that the text spells; the others count on from
     * pad_token_id + 1: fairseq's, of RoBERTa. */
    POSITIONS_AFTER_PADDING,
    /* The same with token 1 for padding, whatever pad_token_id says: MPNet's. */
    POSITIONS_AFTER_TOKEN_ONE,
};

/* What attention knows of positions beside the embeddings. */
enum attention_scheme {
    ATTENTION_PLAIN,            /* nothing */
    ATTENTION_BIASED,           /* a bias by distance that all layers share: MPNet's */
    ATTENTION_DISENTANGLED,     /* relative embeddings, scored by query and by key: DeBERTa's */
    ATTENTION_ROTARY,           /* queries and keys are rotated by their position: NomicBERT's */
    ATTENTION_LOCAL_AND_GLOBAL, /* the same, and some layers see only a window: ModernBERT's */
};

enum bias_scheme {
    BIASES_EVERYWHERE,
    BIASES_OUTSIDE_LAYERS, /* no linear layer of attention or of the feed-forward part has one */
    BIASES_BY_CONFIG,      /* attention_bias, mlp_bias, norm_bias, classifier_bias: none unless set */
};

/* Keys of config.json. NULL where the family has none: embedding (as wide as hidden), groups and inner_layers
 * (no layer is shared), type_vocab (no token types), eps (1e-12). An alias is another name of the key, which
 * goes before it where both are there: transformers' attribute_map. */
struct family_keys {
    const char *hidden, *embedding, *layers, *groups, *inner_layers, *heads, *intermediate, *activation,
        *type_vocab, *eps;
    const char *hidden_alias, *layers_alias, *heads_alias;
};

/* What a key that is missing means; of keys that the family has. */
struct family_defaults {
    int vocab, positions, hidden, embedding, layers, groups, inner_layers, heads, intermediate, type_vocab,
        pad;
    float eps; /* 0: 1e-12 */
    const char *activation;
};

/* A linear or normalisation layer's tensor name without the prefix, ".weight" and ".bias". In layer names the
 * first "%d" is the layer, or the group of layers that share weights; the second the layer in its group.
 * projection, [hidden][embedding], is NULL where the family has none, as is what the schemes of attention do
 * not use. query, key and value may be one name, of a matrix that holds the three in this order; so may up
 * and gate, which multiplies the activated product of up. */
struct family_names {
    const char *words, *positions, *types, *norm, *projection;
    const char *query, *key, *value, *attention_output, *attention_norm;
    const char *up, *gate, *down, *output_norm;
    const char *final_norm;                    /* of a family that norms first */
    const char *distance_bias;                 /* [buckets][heads] */
    const char *relative, *relative_norm;      /* [2 span][hidden] */
    const char *relative_query, *relative_key; /* projections where they are not shared */
};

struct family {
    const char *model_type; /* config.json's model_type */
    const struct family_keys *keys;
    struct family_defaults defaults;
    enum position_scheme positions;
    enum attention_scheme attention;
    enum bias_scheme biases;
    bool always_projects; /* even embeddings that are as wide as hidden */
    /* What is added to is not normed, but what is computed from it. attention_norm then comes after
     * attention's sum, and output_norm after the layer's: it is the next layer's first norm, and the last
     * layer has final_norm. The first layer has none but the embeddings'. */
    bool norms_first;
    const char *prefix; /* of the encoder's tensors beside a head; a bare encoder is stored without it */
    const struct family_names *names;
    const struct head *heads; /* ended by one without architecture */
};

/* All families, ended by one without model type. */
extern const struct family families[];

/* NULL where the model type is not known. */
const struct family *family_find(const char *model_type);

/* The family's first head of that architecture (NULL: of any); NULL where it has none. */
const struct head *family_head(const struct family *family, const char *architecture);

/* The family's head of HEAD_NONE, or NULL where it has none. */
const struct head *family_bare(const struct family *family);

/* The family's prefix, or "" where the tensors are those of a bare encoder. */
const char *family_prefix(const struct family *family, const struct tensors *tensors);

/* The numbers that a pattern's "%d" stand for, in turn. */
struct layer_place {
    int layer, inner;
};

/* Of the stored-th of the layers that the model's files hold: 0 <= stored < config_stored_layers(). */
struct layer_place family_layer_place(const struct model_config *config, int stored);

/* A tensor's name: prefix + pattern with its numbers + "." + suffix. A pattern without numbers takes any
 * place. */
enum { FAMILY_MAX_NAME = 256 };
const char *family_tensor_name(char name[FAMILY_MAX_NAME], const char *prefix, const char *pattern,
                               struct layer_place place, const char *suffix);

#endif
