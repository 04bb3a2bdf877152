/* The head: from the encoder's last hidden states to the rows that a model answers with. */
#ifndef LINNET_MODEL_HEAD_H
#define LINNET_MODEL_HEAD_H

#include "model/encoder.h"

/* Elements of one row of the head's result: of an item's (labels, or the dimensions of its embedding), and of
 * a token's (labels, the vocabulary, or the hidden size). */
int head_columns(const struct model_config *config);
int head_token_columns(const struct model_config *config);

/* Which tokens' states the rows of `batch` need. The selection lives in `arena`. False: ERR_NO_MEMORY. */
bool head_select(const struct model_config *config, const struct batch *batch, struct arena *arena,
                 struct selection *out, struct error *err);

/* rows[batch's rows][columns], or what batch->take() is called with, from the states that head_select() asked
 * for. Buffers of the pass that the last layer has left are overwritten; more scratch comes from `arena`.
 * False: ERR_NO_MEMORY. */
bool head_run(struct pass *pass, const struct selection *selection, const struct rows *states,
              struct arena *arena, float *rows, struct error *err);

#endif
