/* modules.json: what a sentence-transformers model is made of, in order.
 *
 * Source: sentence-transformers 5.4 (base/model.py) and its versions before, whose types differ in all but
 * their last word.
 */
#ifndef LINNET_MODEL_MODULES_H
#define LINNET_MODEL_MODULES_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"

enum module_kind {
    MODULE_TRANSFORMER,     /* the encoder: its own config.json, tokenizer and weights */
    MODULE_MLM_TRANSFORMER, /* the same with the head of a masked language model; since 5.4 a Transformer too
                             */
    MODULE_POOLING,
    MODULE_SPLADE_POOLING,
    MODULE_DENSE,
    MODULE_NORMALIZE,
    MODULE_DROPOUT, /* does nothing outside training */
    MODULE_OTHER
};

struct module {
    enum module_kind kind;
    const char *type;    /* as modules.json has it */
    const char *folder;  /* in the model's directory; "": the directory itself */
    struct blob config;  /* config.json of that folder, or absent */
    struct blob weights; /* a Dense's model.safetensors there, or absent */
};

enum { MODULES_MAX = 16 };

/* Fills modules[0..*count), whose strings live in `arena` and whose files are not opened. ERR_BAD_MODEL. */
bool modules_read(struct blob json, struct arena *arena, struct module modules[MODULES_MAX], int *count,
                  struct error *err);

/* Whether the modules end in an embedding, and in a sparse one: one of them pools so. */
bool modules_pool(const struct module *modules, int count);
bool modules_make_sparse(const struct module *modules, int count);

#endif
