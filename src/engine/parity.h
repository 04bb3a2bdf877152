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
 * A model for zero-shot classification is compared as the classifier of texts and pairs that it is.
 *
 * Token classification has a row of logits a token (special ones put around the text do not count), fill-mask
 * one a mask, over the vocabulary. A score is the row's softmax. The bounds on scores are the same, and those
 * on what comes first are of tokens or masks in place of texts, but count only those that are clear: where
 * the first of what should be led the second by more than the bound on scores. A fp32 logit of a mask may be
 * off by 1e-5 of the row's largest magnitude: some of tens of thousands are near 0 by cancellation alone.
 * A figure that is NaN, which only values that are not finite make, keeps no bound.
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

enum { PARITY_TEXT_BYTES = 100, PARITY_SHOWN_FLIPS = 20, PARITY_PLACE_BYTES = 240 };

/* What has a row of logits, or is one. */
enum parity_unit { PARITY_TEXTS, PARITY_EMBEDDINGS, PARITY_TOKENS, PARITY_MASKS };

/* The text that a figure comes from, and where in it. */
struct parity_text {
    size_t number;                 /* as the caller counts, from 1; 0: none */
    char start[PARITY_TEXT_BYTES]; /* its first bytes, whole characters */
    /* Of one token or mask of it: */
    bool is_place;
    size_t place;  /* of the token, counted as the pipeline's "index"; of the mask, from 1 */
    int32_t token; /* its id */
    bool flipped;
    int got, wanted; /* where flipped: which came first, for parity_name() */
};

struct parity {
    const struct model_desc *desc;
    const struct tokenizer *tokenizer;
    enum parity_unit unit;
    int columns;            /* of a row: labels, dimensions, or the vocabulary */
    double score_bound;     /* of desc->precision */
    float *scores, *wanted; /* [columns] */
    size_t texts;
    size_t rows;   /* tokens or masks compared */
    size_t failed; /* texts without a finite result */
    size_t ids_compared, ids_differ;
    double logit_difference,
        score_difference;             /* the largest, of a logit or an embedding's element; of a score */
    double least_cosine;              /* of embeddings */
    double logit_excess;              /* the largest |difference| over its fp32 bound */
    size_t flips;                     /* texts, tokens or masks with another first */
    size_t clear_flips;               /* tokens or masks of these whose first led by more than score_bound */
    size_t gold, right, wanted_right; /* texts that come with the right label; as computed, as wanted */
    struct parity_text first_failed, first_ids, worst_logit, worst_score, worst_cosine, first_clear,
        flipped[PARITY_SHOWN_FLIPS];
};

/* Whether a text has a row for each token or mask, and not one. */
static inline bool parity_has_rows(const struct parity *parity)
{
    return parity->unit == PARITY_TOKENS || parity->unit == PARITY_MASKS;
}

/* One text's result and what it should be. */
struct parity_row {
    size_t number;
    const char *text;
    size_t text_length;
    const struct item *item; /* of tokens and masks: which they are; else may be NULL */
    const float *logits;     /* [rows][columns] logits, or an embedding; NULL: failed */
    const float *wanted;     /* the same; NULL: not to be compared, for its token ids are others already */
    int wanted_label;        /* of texts; -1: the first by score of `wanted` */
    float wanted_score;      /* of wanted_label; NAN: not given */
    int gold;                /* the label that is right; -1: not known */
};

/* `desc` and `tokenizer` must outlive the parity; `tokenizer` may be NULL: tokens are then named without
 * their text. On success parity_free(). False: ERR_NO_MEMORY, or ERR_UNSUPPORTED_MODEL of a task that has no
 * rows of numbers. */
bool parity_init(struct parity *parity, const struct model_desc *desc, const struct tokenizer *tokenizer,
                 struct error *err);
void parity_free(struct parity *parity);

/* Makes an item of a text as it is compared: cut to what the model takes, after its default prompt, with the
 * rows of its task. False as engine_prepare(), and ERR_BAD_INPUT for a pair where the task has none. */
bool parity_prepare(const struct engine *engine, const struct input *input, struct arena *arena,
                    struct item *out, struct error *err);

/* How many texts, up to `most`, to compare at a time, so that the rows of a large vocabulary fit in memory.
 */
size_t parity_together(const struct model_desc *desc, size_t most);

/* Counts one text; returns whether another label came first, or of a token or mask of it. */
bool parity_add(struct parity *parity, const struct parity_row *row);

/* Counts one comparison of token ids. */
void parity_add_ids(struct parity *parity, bool equal, size_t number, const char *text, size_t text_length);

/* The text of a token, up to a NUL where it has one; empty where there is none for the id. */
const char *parity_token(const struct parity *parity, int32_t id);

/* What a struct parity_text's `got` or `wanted` stands for: a label, or of masks a token. */
const char *parity_name(const struct parity *parity, int first);

/* The place in words: `, token 5 "##ing" ("B-PER", not "O")`, `, mask 1`; of a whole text none. Returns out.
 */
const char *parity_place(const struct parity *parity, const struct parity_text *text,
                         char out[PARITY_PLACE_BYTES]);

/* Whether all is within the bounds of desc->precision. False: ERR_BAD_MODEL, naming the first bound that is
 * not kept, by how much, and the text. */
bool parity_check(const struct parity *parity, struct error *err);

#endif
