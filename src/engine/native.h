/* The native engine: text/ to tokens, model/ on kern/ to logits. */
#ifndef LINNET_ENGINE_NATIVE_H
#define LINNET_ENGINE_NATIVE_H

#include "engine/engine.h"
#include "model/files.h"

struct native_options {
    const char *isa;       /* caps the kernel path; NULL: the best this processor has */
    const char *precision; /* "auto", "fp32", "bf16" or "int8" */
    int load_threads;
    const char *task;    /* a task's name (task_find()); NULL: what the model was made for */
    const char *pooling; /* of embeddings: "mean", "cls", ..., "splade" (model/sentence.h); NULL: what the
                            files say, and "splade" where the task is sparse-embedding */
};

/* Whether native_open() would take these options on this machine: ERR_USAGE (an unknown isa, precision or
 * pooling). */
bool native_check(const struct native_options *options, struct error *err);

/* Loads a model. `files` must outlive the engine. On failure NULL, with err->message beginning with the
 * model's name: ERR_BAD_MODEL, ERR_UNSUPPORTED_MODEL (also a task that the model has no head or the tokenizer
 * no decoder for), ERR_USAGE (an unknown isa, precision or pooling), ERR_NO_MEMORY. */
struct engine *native_open(const struct model_files *files, const struct native_options *options,
                           struct error *err);

/* The tokenizer of an engine that native_open() made. */
const struct tokenizer *native_tokenizer(const struct engine *engine);

#endif
