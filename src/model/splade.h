/* SPLADE's pooling: from a masked language model's states to sparse embeddings, as model/sentence.h says.
 *
 * The logits of all tokens are never there at once: each part of the team has some columns of the vocabulary,
 * computes a block of tokens' logits of a few of them, and folds these into the texts' own rows. A text's
 * embedding has the same bits in any batch, with any team.
 */
#ifndef LINNET_MODEL_SPLADE_H
#define LINNET_MODEL_SPLADE_H

#include "model/encoder.h"

/* rows[count][vocab_size] from states[all tokens of the batch][width], which the head's output multiplies.
 * Not finite where a logit is NaN or +infinity. Scratch memory comes from `arena`. False: ERR_NO_MEMORY. */
bool splade_run(struct pass *pass, const struct rows *states, struct arena *arena, float *rows,
                struct error *err);

#endif
