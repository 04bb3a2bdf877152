#include "engine/score.h"

#include <math.h>
#include <string.h>
#include <strings.h>

bool score_function_parse(const char *word, size_t length, enum score_function *out)
{
    static const char *const names[] = {
        [SCORE_SOFTMAX] = "softmax", [SCORE_SIGMOID] = "sigmoid", [SCORE_NONE] = "none"};
    for (enum score_function function = SCORE_SOFTMAX; function <= SCORE_NONE; function++) {
        if (strlen(names[function]) == length && strncasecmp(names[function], word, length) == 0) {
            *out = function;
            return true;
        }
    }
    return false;
}

enum score_function score_function_of(const struct model_desc *desc)
{
    if (desc->problem_type == PROBLEM_REGRESSION)
        return SCORE_NONE;
    if (desc->problem_type == PROBLEM_MULTI_LABEL || desc->label_count == 1)
        return SCORE_SIGMOID;
    return SCORE_SOFTMAX;
}

static void softmax(const float *logits, float *scores, int n)
{
    float max = logits[0], sum = 0;
    for (int i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < n; i++) {
        scores[i] = expf(logits[i] - max);
        sum += scores[i];
    }
    for (int i = 0; i < n; i++)
        scores[i] /= sum;
}

void score_apply(const struct model_desc *desc, enum score_function function, const float *logits,
                 float *scores)
{
    if (function == SCORE_DEFAULT)
        function = score_function_of(desc);
    if (function == SCORE_SOFTMAX) {
        softmax(logits, scores, desc->label_count);
        return;
    }
    for (int i = 0; i < desc->label_count; i++)
        scores[i] = function == SCORE_SIGMOID ? 1 / (1 + expf(-logits[i])) : logits[i];
}

void score_rank(const float *scores, int n, int *order, int count)
{
    /* Insertion into the best so far: n is small, and `count` usually 1. */
    int kept = 0;
    for (int id = 0; id < n; id++) {
        int at = kept;
        while (at > 0 && scores[id] > scores[order[at - 1]])
            at--;
        if (at == count)
            continue;
        if (kept < count)
            kept++;
        for (int i = kept - 1; i > at; i--)
            order[i] = order[i - 1];
        order[at] = id;
    }
}
