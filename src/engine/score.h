/* Logits to scores, as transformers' text-classification pipeline does it. Any thread. */
#ifndef LINNET_ENGINE_SCORE_H
#define LINNET_ENGINE_SCORE_H

#include <stddef.h>

#include "engine/engine.h"

/* function_to_apply; SCORE_DEFAULT is what the model's problem type asks for. */
enum score_function { SCORE_DEFAULT, SCORE_SOFTMAX, SCORE_SIGMOID, SCORE_NONE };

/* "softmax", "sigmoid", "none" in any case; false for any other word. */
bool score_function_parse(const char *word, size_t length, enum score_function *out);

/* The function SCORE_DEFAULT stands for: regression none; multi-label or one label sigmoid; else softmax. */
enum score_function score_function_of(const struct model_desc *desc);

/* scores[label_count] from logits[label_count]; they may be the same array. */
void score_apply(const struct model_desc *desc, enum score_function function, const float *logits,
                 float *scores);

/* Fills order[0..count) with the first `count` of the indices 0..n-1, in the order that is_before(scores, a,
 * b) says, which orders any two of them. Takes n log(count) comparisons. */
void score_select(const float *scores, int n, int *order, int count,
                  bool (*is_before)(const float *scores, int a, int b));

/* Label ids by falling score, equal scores in id order: fills order[0..count) with the first `count` of n. */
void score_rank(const float *scores, int n, int *order, int count);

#endif
