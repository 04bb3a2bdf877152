/* fill-mask, as transformers' pipeline does it: the tokens that a mask stands for. Any thread. */
#ifndef LINNET_ENGINE_FILL_MASK_H
#define LINNET_ENGINE_FILL_MASK_H

#include "engine/engine.h"

/* Predictions where a request says nothing. */
enum { FILL_MASK_TOP_K = 5 };

/* Fills the item's predictions of one mask from its logits[columns], which are finite; equal scores in the
 * order of the targets, or of ids. */
void fill_mask_predict(struct item *item, size_t mask, const float *logits, size_t columns);

/* The id of a target text: the token that it is, else the first of those that it is split into. False:
 * ERR_BAD_INPUT where it has none or the model lacks it, ERR_NO_MEMORY. The engine is a native one. */
bool fill_mask_find_target(const struct engine *engine, const char *text, size_t length, struct arena *arena,
                           int32_t *id, struct error *err);

/* Sorts ids[0..count) and drops those that stand there twice; returns how many are left. */
size_t fill_mask_unique(int32_t *ids, size_t count);

/* The text that the prediction of mask `mask` makes of the item's, and the token alone. Both live in `arena`.
 * Of a text with one mask special tokens are left out. */
struct filling {
    const char *token, *sequence;
    size_t token_length, sequence_length;
};
bool fill_mask_decode(const struct engine *engine, const struct item *item, size_t mask,
                      const struct prediction *prediction, struct arena *arena, struct filling *out,
                      struct error *err);

#endif
