/* The encoder's attention stage: all heads of a ragged batch, each item by itself, dealt out over the team.
 *
 * What attention knows of positions (rotary angles, windows, biases and relative embeddings: enum
 * attention_scheme) comes from the config and the weights.
 */
#ifndef LINNET_MODEL_ATTENTION_H
#define LINNET_MODEL_ATTENTION_H

#include "model/encoder.h"

/* What the two products of attention are computed in. Where the layers' operands are rounded, those of
 * attention may be too (docs/performance.md has how much it changes); relative scores stay float32. */
enum precision attention_precision(const struct weights *weights, const struct kernels *kernels);

/* Floats of scratch that a thread needs for items of up to `longest` tokens. */
size_t attention_scratch(const struct pass *pass, int longest);

/* pass->context [m][H] from pass->query [m][H], pass->key and pass->value [T][H], of which query and key may
 * be rotated in place. Item i has rows offsets[i]..offsets[i + 1]; places: [m] where in their items they
 * stand, rising within an item; NULL: rows are all tokens. */
void attention_run(struct pass *pass, const struct layer_weights *layer, int walked, const int *offsets,
                   const int *places);

#endif
