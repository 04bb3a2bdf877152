#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/family.h"

enum {
    MAX_NAME = 256,
    HUGE_PAGE = 2 << 20,
    FLOATS_PER_LINE = 16, /* every piece of the block begins on a cache line of 64 bytes */
};

/* What weights_load() goes through the model with: first to add up sizes (block NULL), then to fill. */
struct loader {
    const struct tensors *tensors;
    const struct model_config *config;
    const struct kernels *kernels;
    struct team *team;
    float *block;
    size_t used; /* floats */
    struct error *err;
};

static float *take(struct loader *loader, size_t floats)
{
    float *piece = loader->block ? loader->block + loader->used : NULL;
    loader->used += (floats + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
    return piece;
}

static void describe_shape(char *text, size_t size, const int64_t *shape, int rank)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "", (long long)shape[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

/* The float tensor of that name with that shape ([rows][columns], or [rows] where columns is 0), or NULL. */
static const struct tensor *find(struct loader *loader, const char *name, int rows, int columns)
{
    const struct tensor *tensor = tensors_find(loader->tensors, name);
    if (!tensor) {
        error_set(loader->err, ERR_BAD_MODEL, "tensor %s is missing", name);
        return NULL;
    }
    const int64_t want[] = {rows, columns};
    int rank = columns ? 2 : 1;
    if (tensor->rank != rank || tensor->shape[0] != rows || (columns && tensor->shape[1] != columns)) {
        char is[96], wanted[64];
        describe_shape(is, sizeof is, tensor->shape, tensor->rank);
        describe_shape(wanted, sizeof wanted, want, rank);
        error_set(loader->err, ERR_BAD_MODEL, "%s: tensor %s has shape %s, config.json says %s", tensor->file,
                  name, is, wanted);
        return NULL;
    }
    if (!tensor->is_float) {
        error_set(loader->err, ERR_UNSUPPORTED_MODEL,
                  "%s: tensor %s is stored as %s, linnet supports F32, F16 and BF16", tensor->file, name,
                  tensor->dtype_name);
        return NULL;
    }
    return tensor;
}

static bool load_vector(struct loader *loader, const float **out, const char *name, int n)
{
    const struct tensor *tensor = find(loader, name, n, 0);
    if (!tensor)
        return false;
    float *vector = take(loader, (size_t)n);
    if (vector)
        loader->kernels->widen(vector, tensor->data, tensor->dtype, (size_t)n);
    *out = vector;
    return true;
}

/* pattern + "." + suffix, with the layer's number for "%d" where the pattern has one. */
static const char *tensor_name(char name[MAX_NAME], const char *pattern, int layer, const char *suffix)
{
    const char *mark = strstr(pattern, "%d");
    if (mark)
        snprintf(name, MAX_NAME, "%.*s%d%s.%s", (int)(mark - pattern), pattern, layer, mark + 2, suffix);
    else
        snprintf(name, MAX_NAME, "%s.%s", pattern, suffix);
    return name;
}

struct packing {
    const struct kernels *kernels;
    const struct packed_f32 *w;
    float *data;
    const struct tensor *tensor;
};

static void pack_part(void *context, int part, int parts)
{
    struct packing *p = context;
    int begin, end;
    team_split(p->w->panel_count, part, parts, &begin, &end);
    p->kernels->pack_f32(p->data, p->tensor->data, p->tensor->dtype, p->w->n, p->w->k, begin, end);
}

/* `pattern` names the layer's tensors, with "%d" for the layer's number where it has one. */
static bool load_linear(struct loader *loader, struct linear *out, const char *pattern, int layer, int n,
                        int k)
{
    char name[MAX_NAME];
    const struct tensor *tensor = find(loader, tensor_name(name, pattern, layer, "weight"), n, k);
    if (!tensor)
        return false;
    int panel = loader->kernels->panel;
    float *data = take(loader, kern_packed_size(loader->kernels, n, k));
    out->w = (struct packed_f32){
        .n = n, .k = k, .panel = panel, .panel_count = (n + panel - 1) / panel, .data = data};
    if (data) {
        struct packing packing = {loader->kernels, &out->w, data, tensor};
        team_run(loader->team, pack_part, &packing);
    }
    return load_vector(loader, &out->bias, tensor_name(name, pattern, layer, "bias"), n);
}

/* Checkpoints converted from TensorFlow call weight and bias gamma and beta. */
static bool load_norm(struct loader *loader, struct norm *out, const char *pattern, int layer)
{
    char name[MAX_NAME];
    int n = loader->config->hidden;
    bool old = tensors_find(loader->tensors, tensor_name(name, pattern, layer, "gamma")) != NULL;
    return load_vector(loader, &out->gamma, tensor_name(name, pattern, layer, old ? "gamma" : "weight"), n) &&
           load_vector(loader, &out->beta, tensor_name(name, pattern, layer, old ? "beta" : "bias"), n);
}

static bool find_table(struct loader *loader, struct table *out, const char *stem, int rows)
{
    char name[MAX_NAME];
    const struct tensor *tensor =
        find(loader, tensor_name(name, stem, 0, "weight"), rows, loader->config->hidden);
    if (!tensor)
        return false;
    *out = (struct table){tensor->data, tensor->dtype, rows, loader->config->hidden};
    return true;
}

static bool load_layer(struct loader *loader, struct layer_weights *out, int layer)
{
    const struct family *family = loader->config->family;
    int hidden = loader->config->hidden, intermediate = loader->config->intermediate;
    return load_linear(loader, &out->query, family->names.query, layer, hidden, hidden) &&
           load_linear(loader, &out->key, family->names.key, layer, hidden, hidden) &&
           load_linear(loader, &out->value, family->names.value, layer, hidden, hidden) &&
           load_linear(loader, &out->attention_output, family->names.attention_output, layer, hidden,
                       hidden) &&
           load_norm(loader, &out->attention_norm, family->names.attention_norm, layer) &&
           load_linear(loader, &out->up, family->names.up, layer, intermediate, hidden) &&
           load_linear(loader, &out->down, family->names.down, layer, hidden, intermediate) &&
           load_norm(loader, &out->output_norm, family->names.output_norm, layer);
}

static bool load_all(struct loader *loader, struct weights *out)
{
    const struct model_config *config = loader->config;
    const struct family *family = config->family;
    loader->used = 0;
    if (!find_table(loader, &out->words, family->names.words, config->vocab_size) ||
        !find_table(loader, &out->positions, family->names.positions, config->max_positions) ||
        (config->type_vocab && !find_table(loader, &out->types, family->names.types, config->type_vocab)) ||
        !load_norm(loader, &out->norm, family->names.norm, 0))
        return false;
    for (int layer = 0; layer < config->layers; layer++)
        if (!load_layer(loader, &out->layers[layer], layer))
            return false;
    return load_linear(loader, &out->pooler, family->names.pooler, 0, config->hidden, config->hidden) &&
           load_linear(loader, &out->classifier, family->names.classifier, 0, config->label_count,
                       config->hidden);
}

/* Huge pages spare most TLB misses of streaming the weights. */
static float *allocate_block(size_t bytes)
{
    float *block = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    if (block)
        madvise(block, bytes, MADV_HUGEPAGE);
    return block;
}

bool weights_load(const struct tensors *tensors, const struct model_config *config,
                  const struct kernels *kernels, struct team *team, struct arena *arena, struct weights *out,
                  struct error *err)
{
    struct loader loader = {tensors, config, kernels, team, NULL, 0, err};
    *out = (struct weights){0};
    out->layers = arena_calloc(arena, (size_t)config->layers, sizeof *out->layers);
    if (!out->layers)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d layers", config->layers);
    if (!load_all(&loader, out))
        return false;
    out->block_bytes = loader.used * sizeof(float);
    out->block = allocate_block(out->block_bytes);
    if (!out->block)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu MiB of packed weights",
                         out->block_bytes >> 20);
    loader.block = out->block;
    /* The first pass has found and checked every tensor, so this one cannot fail. */
    load_all(&loader, out);
    return true;
}

void weights_free(struct weights *weights)
{
    free(weights->block);
    weights->block = NULL;
}
