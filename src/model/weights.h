/* The weights of one model, checked by name and shape and packed for one kernel table
 * and precision.
 *
 * Matrices are packed and biases widened into one block that the model owns; embedding tables stay in the
 * model's files as they are stored and are widened row by row. Immutable after loading: any number of lanes
 * share one copy.
 */
#ifndef LINNET_MODEL_WEIGHTS_H
#define LINNET_MODEL_WEIGHTS_H

#include "base/team.h"
#include "kern/kern.h"
#include "model/config.h"
#include "model/sentence.h"
#include "model/tensors.h"

struct linear {
    struct packed w;
    const float *bias; /* [w.n], or NULL */
};

struct norm {
    const float *gamma, *beta; /* [hidden]; of the embeddings, [embedding] */
};

/* Rows of `width` elements, the config's embedding, in the model's file. */
struct table {
    const unsigned char *data;
    enum dtype dtype;
    int rows, width;
};

struct layer_weights {
    struct linear query, key, value, attention_output; /* [hidden][hidden] */
    struct norm attention_norm;
    const float *relative_keys,
        *relative_queries;  /* [2 span][hidden], by buckets, of disentangled attention */
    struct linear up, gate; /* [intermediate][hidden]; gate only where the family has it */
    struct linear down;     /* [hidden][intermediate] */
    struct norm output_norm;
};

/* As config->head says; of parts that it lacks nothing is set. At fp32: a classifier costs next to nothing,
 * and a vocabulary's logits, tens of thousands that are ranked against each other, keep their order only so.
 */
struct head_weights {
    struct linear dense; /* [width][hidden]; width: hidden, or of a masked language model the embeddings' */
    struct norm norm;
    struct linear output;                       /* [labels or vocabulary][width] */
    struct linear sentence[SENTENCE_MAX_DENSE]; /* of config->sentence; [out][in] each */
};

struct weights {
    enum precision precision;             /* of the layers' products */
    struct table words, positions, types; /* types.rows 0: the family has none */
    struct norm norm;
    struct linear projection;         /* [hidden][embedding], of fp32; only where config->projects */
    const float *turns, *local_turns; /* [max_tokens][head_size] rotary turns of global and of local layers */
    const float *distance_bias;       /* [heads][2 max_tokens - 1], from the least distance on */
    const int *buckets;               /* [2 max_tokens - 1] of relative_keys and relative_queries, alike */
    struct layer_weights *layers;     /* [config_stored_layers()], in the arena given to weights_load() */
    struct head_weights head;
    unsigned char *block; /* all packed matrices and vectors */
    size_t block_bytes;
};

/* Finds, checks and packs all tensors; the packing is shared out over `team`. On failure ERR_BAD_MODEL names
 * the tensor that is missing, of another shape (with both shapes) or not of a float type; nothing is left
 * allocated but what lies in `arena`. On success release with weights_free(). */
bool weights_load(const struct tensors *tensors, const struct model_config *config,
                  const struct kernels *kernels, enum precision precision, struct team *team,
                  struct arena *arena, struct weights *out, struct error *err);
void weights_free(struct weights *weights);

static inline const void *table_row(const struct table *table, int row)
{
    return table->data + (size_t)row * (size_t)table->width * dtype_size(table->dtype);
}

#endif
