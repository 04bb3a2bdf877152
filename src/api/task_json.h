/* The answers of tasks as transformers' pipelines write them, and sparse embeddings as
 * text-embeddings-inference does, in JSON: for the HTTP API and for `linnet run`. */
#ifndef LINNET_API_TASK_JSON_H
#define LINNET_API_TASK_JSON_H

#include <stdatomic.h>

#include "base/buf.h"
#include "engine/fill_mask.h"
#include "engine/token_classification.h"

/* [{"entity": ..., "score": ..., "index": ..., "word": ..., "start": ..., "end": ...}, ...], or of groups
 * with "entity_group" and without "index". Scratch memory comes from `arena`. On failure false and
 * ERR_NO_MEMORY. */
bool put_entities(struct buf *out, const struct engine *engine, const struct input *input,
                  const struct item *item, const struct entity_options *options, struct arena *arena,
                  struct error *err);

/* A list of {"score", "token", "token_str", "sequence"} for the text's only mask, or a list of such lists;
 * some of them where `unwanted` (or NULL) is set meanwhile. On failure false and ERR_NO_MEMORY. */
bool put_fillings(struct buf *out, const struct engine *engine, const struct item *item,
                  const atomic_bool *unwanted, struct error *err);

/* {"sequence": ..., "labels": [...], "scores": [...]} of the labels' items[count] for one text. */
struct candidates {
    const char *const *labels; /* [count] */
    const size_t *lengths;
    size_t count;
    bool multi;
};
bool put_candidates(struct buf *out, const struct engine *engine, const struct input *input,
                    const struct item items[], const struct candidates *candidates, struct arena *arena,
                    struct error *err);

/* [{"index": ..., "value": ...}, ...] */
void put_sparse(struct buf *out, const struct sparse_value values[], size_t count);

#endif
