/* Token classification: the labels of tokens, or of words and groups of them, as transformers' pipeline makes
 * them (version 5.24, pipelines/token_classification.py). Any thread. */
#ifndef LINNET_ENGINE_TOKEN_CLASSIFICATION_H
#define LINNET_ENGINE_TOKEN_CLASSIFICATION_H

#include "engine/engine.h"

/* The pipeline's aggregation_strategy: each token for itself; neighbours of one label as a group; and the
 * same after the tokens of a word were given one label, of its first token, of the mean of their scores, or
 * of the token with the highest score. */
enum aggregation { AGGREGATE_NONE, AGGREGATE_SIMPLE, AGGREGATE_FIRST, AGGREGATE_AVERAGE, AGGREGATE_MAX };

/* "none", "simple", "first", "average", "max", in any case; false for any other word. */
bool aggregation_parse(const char *word, size_t length, enum aggregation *out);

struct entity {
    const char *label; /* the model's; of a group without what stands before its first "-" */
    float score;
    size_t index;     /* of the token among the text's; with AGGREGATE_NONE only */
    const char *word; /* [word_length], as the tokenizer's decoder writes it */
    size_t word_length;
    uint32_t start, end; /* characters (code points) of the text */
};

struct entity_options {
    enum aggregation aggregation;
    const char *const *ignored; /* [ignored_count]: entities of these labels are left out */
    size_t ignored_count;
};

/* What the pipeline ignores unasked. */
extern const struct entity_options ENTITY_DEFAULTS;

/* Fills *out with *count entities, which live in `arena`. The item has rows and places, and was prepared of
 * text[0..length), which must live as long as they do. The engine is a native one. False: ERR_NO_MEMORY. */
bool token_classification_entities(const struct engine *engine, const char *text, size_t length,
                                   const struct item *item, const struct entity_options *options,
                                   struct arena *arena, struct entity **out, size_t *count,
                                   struct error *err);

#endif
