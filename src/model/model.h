/* A model: config, weights and the forward pass from token ids to logits.
 *
 * Immutable after model_open(): any number of lanes run it at once, each with its own team and arena.
 */
#ifndef LINNET_MODEL_MODEL_H
#define LINNET_MODEL_MODEL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/team.h"
#include "kern/kern.h"
#include "model/config.h"
#include "model/files.h"

struct model;

/* A ragged batch: the tokens of `count` items, one after the other, without padding. */
struct batch {
    int count;
    const int *offsets; /* [count + 1]: item i is tokens offsets[i]..offsets[i + 1] */
    const int32_t *ids; /* [offsets[count]], each below vocab_size */
    const uint8_t
        *type_ids; /* [offsets[count]], each below type_vocab; not read where the model has no types */
};

/* Loads the weights of `files` (which must outlive the model: embeddings are read from them) for `kernels`.
 * `team` shares the packing and is not kept. On failure NULL: ERR_BAD_MODEL, ERR_UNSUPPORTED_MODEL,
 * ERR_NO_MEMORY. */
struct model *model_open(const struct model_files *files, const struct kernels *kernels, struct team *team,
                         struct error *err);
void model_close(struct model *model); /* NULL is fine */

const struct model_config *model_config(const struct model *model);

struct model_facts {
    uint64_t parameters; /* float elements of the files */
    size_t packed_bytes; /* weights in the model's own memory */
    size_t mapped_bytes; /* the files that embeddings are read from */
    const char *stored;  /* how the largest tensor is stored: "F32", "F16", "BF16" */
};
struct model_facts model_facts(const struct model *model);

/* logits[count][label_count] of each item. Scratch memory comes from `arena`, which the caller resets between
 * batches. Items do not see each other: an item gives the same bits in any batch, with any team. False:
 * ERR_NO_MEMORY. */
bool model_classify(const struct model *model, const struct batch *batch, struct team *team,
                    struct arena *arena, float *logits, struct error *err);

#endif
