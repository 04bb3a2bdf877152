/* The encoder: token ids to hidden states, over a ragged batch.
 *
 * Post-norm transformer layers as in Vaswani et al. 2017 and Devlin et al. 2018 (transformers' BertEncoder,
 * DistilBERT's Transformer). Each stage is one team_run(); between stages all threads meet.
 */
#ifndef LINNET_MODEL_ENCODER_H
#define LINNET_MODEL_ENCODER_H

#include "model/model.h"
#include "model/weights.h"

/* What a forward pass works with. Shapes: T tokens, C items, H hidden, I intermediate. */
struct pass {
    const struct model_config *config;
    const struct weights *weights;
    const struct kernels *kernels;
    const struct batch *batch;
    struct team *team;
    float *hidden;            /* [T][H] the layer's input and output */
    float *query;             /* [T][H] */
    float *key;               /* [T][H] */
    float *value;             /* [T][H] */
    float *context;           /* [T][H] attention's output */
    float *sum;               /* [T][H] before a normalisation */
    float *up;                /* [T][I] */
    float *first;             /* [C][H] the first token's state of each item */
    float *attention_scratch; /* [threads][attention_stride] */
    size_t attention_stride;
};

/* Allocates the pass's buffers in `arena`. False: ERR_NO_MEMORY. */
bool pass_init(struct pass *pass, struct arena *arena, struct error *err);

/* Fills pass->first with the last layer's output for the first token of each item ([CLS]). In the last layer
 * only what these rows need is computed. */
void encoder_first_tokens(struct pass *pass);

/* y[m][n] = activation(x w^T + bias) + residual (or NULL), shared out over the team. All rows are
 * contiguous. */
void encoder_linear(struct pass *pass, float *y, const float *x, int m, const struct linear *linear,
                    enum activation activation, const float *residual);

#endif
