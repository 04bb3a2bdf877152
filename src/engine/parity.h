/* Parity: how far a model's logits or embeddings are from what they should be, over many texts, and whether
 * that is within the bounds that linnet promises for a precision.
 *
 * | precision | logits                             | scores          | other label first |
 * |-----------|------------------------------------|-----------------|-------------------|
 * | fp32      | max(2e-5, 1e-5 times the logit)    | 1e-5            | no text           |
 * | bf16      | not bounded                        | 2e-2            | no text           |
 * | int8      | not bounded                        | 0.16            | 5 texts in 872    |
 *
 * A score is what the model's problem type makes of a logit; where that is nothing (regression) a difference
 * of scores counts in parts of max(1, |score|). Shares of texts are rounded up. Where texts come with the
 * label that is right, int8 must also be right as often as what it is compared with, but for 3 texts in 872.
 *
 * | precision | an embedding's elements          | its cosine with what it should be |
 * |-----------|----------------------------------|-----------------------------------|
 * | fp32      | max(1e-5, 1e-5 times the element) | 0.999999                         |
 * | bf16      | not bounded                      | 0.999                             |
 * | int8      | not bounded                      | 0.98                              |
 *
 * Threads: one at a time.
 */
#ifndef LINNET_ENGINE_PARITY_H
#define LINNET_ENGINE_PARITY_H

#include "engine/engine.h"

enum { PARITY_TEXT_BYTES = 100, PARITY_SHOWN_FLIPS = 20 };

/* The text that a figure comes from. */
struct parity_text {
    size_t number;                 /* as the caller counts, from 1; 0: none */
    char start[PARITY_TEXT_BYTES]; /* its first bytes, whole characters */
};

struct parity {
    const struct model_desc *desc;
    bool embeds;            /* rows are embeddings, not logits: no scores and labels */
    int columns;            /* labels, or dimensions */
    float *scores, *wanted; /* [columns] */
    size_t texts;
    size_t failed; /* texts without a finite result */
    size_t ids_compared, ids_differ;
    double logit_difference,
        score_difference;             /* the largest, of a logit or an embedding's element; of a score */
    double least_cosine;              /* of embeddings */
    double logit_excess;              /* the largest |difference| over its fp32 bound */
    size_t flips;                     /* texts with another label first */
    size_t gold, right, wanted_right; /* texts that come with the right label; as computed, as wanted */
    struct parity_text first_failed, first_ids, worst_logit, worst_score, worst_cosine,
        flipped[PARITY_SHOWN_FLIPS];
};

/* One text's result and what it should be. */
struct parity_row {
    size_t number;
    const char *text;
    size_t text_length;
    const float *logits; /* [columns] logits, or an embedding; NULL: failed */
    const float *wanted; /* [columns] */
    int wanted_label;    /* -1: the first by score of `wanted` */
    float wanted_score;  /* of wanted_label; NAN: not given */
    int gold;            /* the label that is right; -1: not known */
};

/* `desc` must outlive the parity. On success parity_free(). False: ERR_NO_MEMORY, or
 * ERR_UNSUPPORTED_MODEL of a task that is neither text classification nor embeddings. */
bool parity_init(struct parity *parity, const struct model_desc *desc, struct error *err);
void parity_free(struct parity *parity);

/* Counts one text; returns whether another label came first. */
bool parity_add(struct parity *parity, const struct parity_row *row);

/* Counts one comparison of token ids. */
void parity_add_ids(struct parity *parity, bool equal, size_t number, const char *text, size_t text_length);

/* Whether all is within the bounds of desc->precision. False: ERR_BAD_MODEL, naming the first bound that is
 * not kept, by how much, and the text. */
bool parity_check(const struct parity *parity, struct error *err);

#endif
