/* The encoder: token ids to hidden states, over a ragged batch.
 *
 * Transformer layers as in Vaswani et al. 2017 and Devlin et al. 2018 (transformers' BertEncoder,
 * DistilBERT's Transformer), or with the norms first (ModernBertEncoderLayer). Each stage is one team_run();
 * between stages all threads meet.
 */
#ifndef LINNET_MODEL_ENCODER_H
#define LINNET_MODEL_ENCODER_H

#include "model/model.h"
#include "model/stages.h"
#include "model/weights.h"

/* Rows that products multiply: as floats, and in the form of the encoder's precision (kern.h's convert()). */
struct rows {
    float *x;                 /* [m][k] */
    unsigned char *form;      /* [m], form_stride bytes apart; NULL at fp32, where it is x */
    struct row_scale *scales; /* [m] at int8 */
    size_t form_stride;
    int k;
};

/* What a forward pass works with. Shapes: T tokens, S tokens whose last state is asked for, E embedding, H
 * hidden, I intermediate. */
struct pass {
    const struct model_config *config;
    const struct weights *weights;
    const struct kernels *kernels;
    const struct batch *batch;
    struct team *team;
    struct stage_times *times; /* added to, or NULL: not measured */
    int *positions;            /* [T] each token's row of the position table */
    int *selected_places;      /* [S] where in its item each selected token stands */
    struct rows embedded;      /* [T][E] what is projected to hidden; only where config->projects */
    struct rows hidden;        /* [T][H] the layer's input and output */
    struct rows context;       /* [T][H] attention's output */
    struct rows up;            /* [T][I] */
    struct rows selected;      /* [S][H] the states of the tokens that are asked for */
    float *query;              /* [T][H] */
    float *key;                /* [T][H] */
    float *value;              /* [T][H] */
    float *sum;               /* [T][H] before a normalisation; where norms come first, from layer to layer */
    float *attention_scratch; /* [threads][attention_stride] */
    size_t attention_stride;
};

/* Tokens of a batch whose last hidden states are asked for. */
struct selection {
    const int
        *tokens; /* [offsets[count]], rising indices into batch->ids; NULL: all, and offsets the batch's */
    const int *offsets; /* [count + 1]: those of item i are tokens[offsets[i]..offsets[i + 1]] */
};

/* Allocates the pass's buffers in `arena`. False: ERR_NO_MEMORY. */
bool pass_init(struct pass *pass, const struct selection *selection, struct arena *arena, struct error *err);

/* The last hidden states of the selected tokens: rows [S][H] of the pass. In the last layer only what these
 * rows need is computed. */
const struct rows *encoder_run(struct pass *pass, const struct selection *selection);

/* Runs one stage on the team, and counts its time; and the operations of a product of that size. */
void encoder_stage(struct pass *pass, enum stage stage, team_work *work, void *context);
void encoder_count(struct pass *pass, enum stage stage, int m, int n, int k);

/* y[m][n] = activation(x w^T + bias) + residual (or NULL), shared out over the team. All rows are contiguous;
 * x->form is read only where linear is not of fp32. */
void encoder_linear(struct pass *pass, float *y, const struct rows *x, int m, const struct linear *linear,
                    enum activation activation, const float *residual);

/* y[m][k] = the normalised x[m][k], k of y, shared out over the team. */
void encoder_normalise(struct pass *pass, const struct rows *y, const float *x, int m,
                       const struct norm *norm);

#endif
