/* Zero-shot classification, as transformers' pipeline does it (version 5.24,
 * pipelines/zero_shot_classification.py): each label makes a hypothesis, and a model of natural language
 * inference says how far the text entails it. Any thread. */
#ifndef LINNET_ENGINE_ZERO_SHOT_H
#define LINNET_ENGINE_ZERO_SHOT_H

#include "engine/engine.h"

/* The template where a request has none. */
#define ZERO_SHOT_TEMPLATE "This example is {}."

/* The hypothesis of a label: the template with the label for its "{}" or "{0}", "{{" and "}}" being single
 * braces, as in Python's str.format(). The result is NUL-terminated in `arena`. False: ERR_BAD_INPUT for a
 * template without a place for the label or with other fields, ERR_NO_MEMORY. */
bool zero_shot_hypothesis(const char *template, size_t template_length, const char *label,
                          size_t label_length, struct arena *arena, const char **out, size_t *length,
                          struct error *err);

/* The id of the label that begins with "entail", in any case; -1 where the model has none. */
int zero_shot_entailment(const struct model_desc *desc);

/* The labels that a string names, with commas between, without white space around them and without empty
 * ones. */
struct label_list {
    const char **labels; /* [count], NUL-terminated, in an arena */
    size_t *lengths;     /* [count] */
    size_t count;
};
bool zero_shot_split(const char *text, size_t length, struct arena *arena, struct label_list *out,
                     struct error *err);

/* Fills scores[count] of the labels and their order, best first, of equal ones the later first; logits[i] are
 * those of label i's hypothesis. With `multi` (and for one label) each label's entailment stands against its
 * contradiction, else the labels' entailments against each other. */
void zero_shot_rank(const struct model_desc *desc, const float *const logits[], size_t count, bool multi,
                    float *scores, int *order);

#endif
