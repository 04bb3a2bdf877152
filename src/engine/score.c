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

/* The first so far as a heap, the last of them on top. Puts `id` at the place `at`, which is free. */
static void sift_down(const float *scores, int *order, int count, int at, int id,
                      bool (*is_before)(const float *scores, int a, int b))
{
    for (;;) {
        int child = at * 2 + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_before(scores, order[child], order[child + 1]))
            child++;
        if (!is_before(scores, id, order[child]))
            break;
        order[at] = order[child];
        at = child;
    }
    order[at] = id;
}

static void sift_up(const float *scores, int *order, int at, int id,
                    bool (*is_before)(const float *scores, int a, int b))
{
    for (; at > 0 && is_before(scores, order[(at - 1) / 2], id); at = (at - 1) / 2)
        order[at] = order[(at - 1) / 2];
    order[at] = id;
}

void score_select(const float *scores, int n, int *order, int count,
                  bool (*is_before)(const float *scores, int a, int b))
{
    int kept = 0;
    for (int id = 0; id < n; id++) {
        if (kept < count)
            sift_up(scores, order, kept++, id, is_before);
        else if (kept > 0 && is_before(scores, id, order[0]))
            sift_down(scores, order, kept, 0, id, is_before);
    }
    while (kept > 1) {
        const int last = order[0], moved = order[--kept];
        sift_down(scores, order, kept, 0, moved, is_before);
        order[kept] = last;
    }
}

static bool is_better(const float *scores, int a, int b)
{
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

void score_rank(const float *scores, int n, int *order, int count)
{
    score_select(scores, n, order, count, is_better);
}
