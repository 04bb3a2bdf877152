#include <string.h>

#include "engine/engine.h"

static const char *const names[] = {[TASK_TEXT_CLASSIFICATION] = "text-classification",
                                    [TASK_TOKEN_CLASSIFICATION] = "token-classification",
                                    [TASK_ZERO_SHOT_CLASSIFICATION] = "zero-shot-classification",
                                    [TASK_FILL_MASK] = "fill-mask",
                                    [TASK_FEATURE_EXTRACTION] = "feature-extraction",
                                    [TASK_SPARSE_EMBEDDING] = "sparse-embedding",
                                    [TASK_OTHER] = "other"};

const char *task_name(enum task task)
{
    return names[task];
}

enum task task_find(const char *name)
{
    if (strcmp(name, "ner") == 0)
        return TASK_TOKEN_CLASSIFICATION;
    if (strcmp(name, "sentiment-analysis") == 0)
        return TASK_TEXT_CLASSIFICATION;
    for (enum task task = TASK_TEXT_CLASSIFICATION; task < TASK_OTHER; task++)
        if (strcmp(name, names[task]) == 0)
            return task;
    return TASK_OTHER;
}
