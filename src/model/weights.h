/* The weights of one model, checked by name and shape and packed for one kernel table.
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
#include "model/tensors.h"

struct linear {
    struct packed_f32 w;
    const float *bias; /* [w.n] */
};

struct norm {
    const float *gamma, *beta; /* [hidden] */
};

/* Rows of `width` elements in the model's file. */
struct table {
    const unsigned char *data;
    enum dtype dtype;
    int rows, width;
};

struct layer_weights {
    struct linear query, key, value, attention_output; /* [hidden][hidden] */
    struct norm attention_norm;
    struct linear up;   /* [intermediate][hidden] */
    struct linear down; /* [hidden][intermediate] */
    struct norm output_norm;
};

struct weights {
    struct table words, positions, types; /* types.rows 0: the family has none */
    struct norm norm;
    struct layer_weights *layers; /* [config->layers], in the arena given to weights_load() */
    struct linear pooler;         /* [hidden][hidden] */
    struct linear classifier;     /* [labels][hidden] */
    float *block;                 /* all packed floats */
    size_t block_bytes;
};

/* Finds, checks and packs all tensors; the packing is shared out over `team`. On failure ERR_BAD_MODEL names
 * the tensor that is missing, of another shape (with both shapes) or not of a float type; nothing is left
 * allocated but what lies in `arena`. On success release with weights_free(). */
bool weights_load(const struct tensors *tensors, const struct model_config *config,
                  const struct kernels *kernels, struct team *team, struct arena *arena, struct weights *out,
                  struct error *err);
void weights_free(struct weights *weights);

static inline const void *table_row(const struct table *table, int row)
{
    return table->data + (size_t)row * (size_t)table->width * dtype_size(table->dtype);
}

#endif
