/* Pooling and Dense layers: from the encoder's last states to embeddings, as model/sentence.h says. In fp32;
 * a text's embedding has the same bits in any batch, with any team. */
#ifndef LINNET_MODEL_POOLING_H
#define LINNET_MODEL_POOLING_H

#include "model/encoder.h"
#include "model/sentence.h"

/* Which tokens' states pooling needs: of each item the first, the last, or all. The selection lives in
 * `arena`. False: ERR_NO_MEMORY. */
bool pooling_select(const struct sentence *sentence, const struct batch *batch, struct arena *arena,
                    struct selection *out, struct error *err);

/* rows[count][sentence->dimensions] from the states of that selection, not normalised. Scratch memory comes
 * from `arena`. False: ERR_NO_MEMORY. */
bool pooling_run(struct pass *pass, const struct selection *selection, const struct rows *states,
                 struct arena *arena, float *rows, struct error *err);

/* rows[count][H]: the mean of all states of each item. */
void pooling_mean(struct pass *pass, const struct rows *states, float *rows);

#endif
