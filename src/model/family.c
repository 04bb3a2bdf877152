#include "model/family.h"

#include <stdio.h>
#include <string.h>

const struct family *family_find(const char *model_type)
{
    for (const struct family *family = families; family->model_type; family++)
        if (strcmp(family->model_type, model_type) == 0)
            return family;
    return NULL;
}

const struct head *family_head(const struct family *family, const char *architecture)
{
    for (const struct head *head = family->heads; head->architecture; head++)
        if (!architecture || strcmp(head->architecture, architecture) == 0)
            return head;
    return NULL;
}

const struct head *family_bare(const struct family *family)
{
    for (const struct head *head = family->heads; head->architecture; head++)
        if (head->kind == HEAD_NONE)
            return head;
    return NULL;
}

const char *family_prefix(const struct family *family, const struct tensors *tensors)
{
    char name[FAMILY_MAX_NAME];
    const struct layer_place none = {0, 0};
    bool bare = tensors_find(tensors, family_tensor_name(name, "", family->names->words, none, "weight"));
    return bare ? "" : family->prefix;
}

struct layer_place family_layer_place(const struct model_config *config, int stored)
{
    return (struct layer_place){stored / config->inner_layers, stored % config->inner_layers};
}

const char *family_tensor_name(char name[FAMILY_MAX_NAME], const char *prefix, const char *pattern,
                               struct layer_place place, const char *suffix)
{
    const char *first = strstr(pattern, "%d");
    const char *second = first ? strstr(first + 2, "%d") : NULL;
    if (second)
        snprintf(name, FAMILY_MAX_NAME, "%s%.*s%d%.*s%d%s.%s", prefix, (int)(first - pattern), pattern,
                 place.layer, (int)(second - first - 2), first + 2, place.inner, second + 2, suffix);
    else if (first)
        snprintf(name, FAMILY_MAX_NAME, "%s%.*s%d%s.%s", prefix, (int)(first - pattern), pattern, place.layer,
                 first + 2, suffix);
    else
        snprintf(name, FAMILY_MAX_NAME, "%s%s.%s", prefix, pattern, suffix);
    return name;
}
