/* linnet: transformer encoder models from C.
 *
 *     linnet_error error;
 *     linnet_model *model = linnet_open("./my-model", NULL, &error);
 *     linnet_result result;
 *     const char *texts[] = {"I love you."};
 *     if (linnet_classify(model, texts, 1, &result, &error))
 *         printf("%s %f\n", result.label, result.score);
 *     linnet_close(model);
 *
 * The answers are those of transformers' text-classification pipeline, and of sentence-transformers, in fp32,
 * one text at a time; a text gives the same bits alone and in any list. Everything is synchronous. Nothing is
 * printed, no signal is touched, nothing exits.
 *
 * Pointers are never NULL unless said.
 *
 * Threads: any number of threads may use one model; calls that compute take turns. Each model has threads of
 * its own that share the work of one call.
 *
 * Link with liblinnet.a, -lm and -lpthread.
 */
#ifndef LINNET_H
#define LINNET_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct linnet_model linnet_model;

/* Why a call failed: filled when it returns false or NULL, untouched otherwise. */
typedef struct linnet_error {
    char kind[32];     /* one stable word, such as "bad_model" or "too_long" */
    char message[500]; /* one line for a person: what was wrong, and what would be right */
} linnet_error;

/* All zero is the default of each. */
typedef struct linnet_options {
    int threads;         /* that compute; 0: the cores this process may use */
    const char *isa;     /* at most this kernel path ("ref", "avx2", "avx512"); NULL: the best */
    bool no_truncation;  /* texts over linnet_max_tokens() fail with "too_long" instead of being cut */
    size_t batch_tokens; /* tokens computed together; 0: 256. Changes speed and memory, never a result */
    bool embed;          /* make embeddings with a model that was made to classify */
    const char
        *pooling; /* of embeddings: "mean", "cls", "max", "lasttoken", ...; NULL: as the model's files say */
} linnet_options;

typedef struct linnet_result {
    const char *label; /* the model's; valid until linnet_close() */
    int id;            /* of the label */
    float score;
    bool truncated; /* the text was cut to linnet_max_tokens() tokens */
} linnet_result;

/* Opens a directory in Hugging Face form: config.json, tokenizer.json or vocab.txt, model.safetensors (or
 * shards). `options` may be NULL. NULL on failure. Close it with linnet_close().
 *
 * The model that the program `linnet` has inside is not in the library, and no name is looked up at a hub: a
 * `directory` that is NULL or empty fails with "usage". */
linnet_model *linnet_open(const char *directory, const linnet_options *options, linnet_error *error);

/* No call may be under way. NULL is fine. */
void linnet_close(linnet_model *model);

int linnet_label_count(const linnet_model *model);           /* 0 of a model that makes embeddings */
int linnet_dimensions(const linnet_model *model);            /* of an embedding; 0 of a classifier */
const char *linnet_label(const linnet_model *model, int id); /* NULL unless 0 <= id < linnet_label_count() */
int linnet_max_tokens(const linnet_model *model);            /* of one text, special tokens included */

/* The best label of each of `count` texts (NUL-terminated UTF-8): fills results[count]. All or nothing: on
 * false the message begins with the index of the text that failed. */
bool linnet_classify(linnet_model *model, const char *const texts[], size_t count, linnet_result results[],
                     linnet_error *error);

/* Scores of all labels in id order: fills scores[count][linnet_label_count()]. `raw` gives the model's logits
 * instead. */
bool linnet_scores(linnet_model *model, const char *const texts[], size_t count, bool raw, float scores[],
                   linnet_error *error);

/* The same for pairs (texts[i], pairs[i]), as for natural language inference or reranking. */
bool linnet_pair_scores(linnet_model *model, const char *const texts[], const char *const pairs[],
                        size_t count, bool raw, float scores[], linnet_error *error);

/* Embeddings of `count` texts: fills embeddings[count][linnet_dimensions()], pooled and normalised as the
 * model's sentence-transformers files say (without them the mean of the last states, not normalised), its
 * default prompt before each text where it has one. A model that classifies fails with "unsupported_model"
 * unless linnet_options.embed was set. All or nothing, as linnet_classify(). */
bool linnet_embed(linnet_model *model, const char *const texts[], size_t count, float embeddings[],
                  linnet_error *error);

/* What token classification finds in a text: a token, or a group of tokens of one label. */
typedef struct linnet_entity {
    const char *label; /* of a group without "B-" or "I-" */
    const char *word;  /* as the tokenizer writes it; the text's own characters are start to end */
    float score;
    size_t start, end; /* code points of the text, counted from 0 */
} linnet_entity;

typedef struct linnet_entities {
    linnet_entity *items; /* [count], in the text's order */
    size_t count;
    bool truncated; /* the text was cut to linnet_max_tokens() tokens */
} linnet_entities;

/* The entities of a text (NUL-terminated UTF-8), but for those of the label "O". `aggregation` is
 * transformers' aggregation_strategy: "none", "simple", "first", "average" or "max". On success release
 * *entities with linnet_entities_free(). A model that is not for token classification fails with
 * "unsupported_model". */
bool linnet_find_entities(linnet_model *model, const char *text, const char *aggregation,
                          linnet_entities *entities, linnet_error *error);
void linnet_entities_free(linnet_entities *entities);

#ifdef __cplusplus
}
#endif

#endif
