/* Model families: what differs between encoders that are walked alike, as data.
 *
 * Source of the names: transformers' modeling_bert.py and modeling_distilbert.py (version 5.23).
 */
#ifndef LINNET_MODEL_FAMILY_H
#define LINNET_MODEL_FAMILY_H

#include <stddef.h>

#include "kern/kern.h"

/* A linear or normalisation layer's tensor name without ".weight" and ".bias". In layer names "%d" is the
 * layer. */
struct family {
    const char *model_type;   /* config.json's model_type */
    const char *architecture; /* config.json's architectures[0] for sequence classification */

    /* Keys of config.json. type_vocab and eps are NULL where the family has none (no token types; eps 1e-12).
     */
    struct {
        const char *hidden, *layers, *heads, *intermediate, *activation, *type_vocab, *eps;
    } keys;
    struct {
        int hidden, layers, heads, intermediate;
    } defaults;

    struct {
        const char *words, *positions, *types, *norm;
        const char *query, *key, *value, *attention_output, *attention_norm;
        const char *up, *down, *output_norm;
        const char *pooler, *classifier;
    } names;
    enum activation pooler_activation;
};

/* NULL where the model type is not known. */
const struct family *family_find(const char *model_type);

/* The index-th family, or NULL past the last: for messages. */
const struct family *family_at(size_t index);

#endif
