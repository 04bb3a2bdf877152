/* What the parts of weights.c share: finding, checking, widening and packing tensors into a model's block.
 *
 * A model is gone through twice: first with no block, where everything is found and checked and sizes add up,
 * then to fill the block. So loader_take() returns NULL the first time, and what fills is skipped.
 */
#ifndef LINNET_MODEL_LOADER_H
#define LINNET_MODEL_LOADER_H

#include "model/family.h"
#include "model/weights.h"

struct loader {
    const struct tensors *tensors;
    const struct model_config *config;
    const struct kernels *kernels;
    struct team *team;
    enum precision precision;
    const char *prefix; /* of the names that are looked up now */
    unsigned char *block;
    size_t used;           /* bytes */
    const float *relative; /* [2 span][hidden] relative embeddings, normalised */
    void *unpacked;        /* room for one [hidden][hidden] at fp32 */
    struct error *err;
};

/* Of a matrix that holds several of as many rows, the part-th. */
struct slice {
    int part, parts;
};

/* `bytes` of the block, on a cache line of their own; or NULL. */
void *loader_take(struct loader *loader, size_t bytes);

/* The tensor of that name, of a float type and of shape [rows][columns] ([rows] where columns is 0); or NULL
 * with an error that says what it is. */
const struct tensor *loader_find(struct loader *loader, const char *name, int rows, int columns);

bool loader_vector(struct loader *loader, const float **out, const char *name, int n);

/* The rows of w[n][k] as they are stored, which may be integers with scales. */
bool loader_weights(struct loader *loader, struct stored_weights *out, const char *pattern,
                    struct layer_place place, struct slice slice, int n, int k);

/* Shares the packing out over the team. */
void loader_pack(struct loader *loader, const struct packed *w, const struct stored_weights *from);

bool loader_norm(struct loader *loader, struct norm *out, const char *pattern, struct layer_place place,
                 int n);

/* weights_attention.c: what attention knows of positions; and a layer's part of it. */
bool loader_attention(struct loader *loader, struct weights *out);
bool loader_layer_attention(struct loader *loader, struct layer_weights *out, struct layer_place place);

#endif
