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
#include "model/stages.h"

struct model;

/* A ragged batch: the tokens of `count` items, one after the other, without padding. */
struct batch {
    int count;
    const int *offsets; /* [count + 1]: item i is tokens offsets[i]..offsets[i + 1] */
    const int32_t *ids; /* [offsets[count]], each below vocab_size */
    const uint8_t
        *type_ids; /* [offsets[count]], each below type_vocab; not read where the model has no types */

    /* Which rows are asked for: where row_offsets is NULL one an item, of its pooled state; else one each for
     * tokens[row_offsets[i]..row_offsets[i + 1]] of item i, rising indices into ids; tokens NULL: for all,
     * and row_offsets is offsets. */
    const int *tokens, *row_offsets;

    /* Of a masked language model, whose rows are as wide as the vocabulary: not NULL, they are handed over in
     * order, `count` at a time from `row` on, and gone afterwards, in place of rows that hold them all. */
    void (*take)(void *context, int row, int count, const float *rows);
    void *context;
};

/* How to open a model; all zero is what its files say. */
struct model_options {
    /* Of which the kernels must have a product. NULL: fp32, or what `linnet quantize` wrote the files for
     * where the kernels have that. */
    const enum precision *precision;
    bool features;       /* the encoder's states and embeddings, whatever head the files have */
    const char *pooling; /* of embeddings, as sentence_read() takes it; NULL: what the files say. "splade"
                            makes sparse ones of a masked language model */
};

/* Loads the weights of `files` (which must outlive the model: embeddings are read from them) for `kernels`.
 * `team` shares the packing and is not kept. On failure NULL: ERR_BAD_MODEL, ERR_UNSUPPORTED_MODEL,
 * ERR_USAGE (the pooling), ERR_NO_MEMORY. */
struct model *model_open(const struct model_files *files, const struct kernels *kernels,
                         const struct model_options *options, struct team *team, struct error *err);
void model_close(struct model *model); /* NULL is fine */

const struct model_config *model_config(const struct model *model);

struct model_facts {
    enum precision precision;
    enum precision attention_precision; /* attention.h */
    uint64_t parameters;                /* float elements of the files */
    size_t packed_bytes;                /* weights in the model's own memory */
    size_t mapped_bytes;                /* the files that embeddings are read from */
    const char *stored;                 /* how the matrices are: "F32", "F16", "BF16"; "I8": with scales */
};
struct model_facts model_facts(const struct model *model);

/* Elements of an item's row (labels, or the dimensions of its embedding, of a sparse one the vocabulary) and
 * of a token's (labels, the vocabulary of a masked language model, or the hidden size). */
int model_columns(const struct model *model);
int model_token_columns(const struct model *model);

/* rows[asked for][columns], or NULL where the batch takes them by itself; embeddings are not normalised.
 * Scratch memory comes from `arena`, which the caller resets between batches. Items do not see each other: an
 * item gives the same bits in any batch, with any team. `times`, where it is not NULL, is added to. False:
 * ERR_NO_MEMORY. */
bool model_run(const struct model *model, const struct batch *batch, struct team *team, struct arena *arena,
               float *rows, struct stage_times *times, struct error *err);

#endif
