/* config.json: what a model is, checked before anything of it is computed.
 *
 * Keys that are missing have the defaults of transformers' configuration classes (BertConfig,
 * DistilBertConfig).
 */
#ifndef LINNET_MODEL_CONFIG_H
#define LINNET_MODEL_CONFIG_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/kern.h"

enum problem_type { PROBLEM_UNSET, PROBLEM_REGRESSION, PROBLEM_SINGLE_LABEL, PROBLEM_MULTI_LABEL };

struct family;

struct model_config {
    const struct family *family;
    int vocab_size, hidden, layers, heads, intermediate, max_positions;
    int type_vocab; /* 0: the family has no token types */
    enum activation activation;
    const char *activation_name; /* as config.json says it */
    float layer_norm_eps;
    enum problem_type problem_type;
    int label_count;
    const char *const *labels; /* [label_count], by id */
};

/* Reads config.json; strings live in `arena`. On failure ERR_BAD_MODEL (damaged, contradictory) or
 * ERR_UNSUPPORTED_MODEL, naming the key, its value and what is supported. */
bool config_read(struct blob json, struct arena *arena, struct model_config *out, struct error *err);

const char *problem_type_name(enum problem_type type); /* config.json's words; NULL for PROBLEM_UNSET */

#endif
