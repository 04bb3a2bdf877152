#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/loader.h"

enum {
    HUGE_PAGE = 2 << 20,
    LINE = 64, /* every piece of the block begins on a cache line */
};

/* Of what is no layer's. */
static const struct layer_place nowhere = {0, 0};

void *loader_take(struct loader *loader, size_t bytes)
{
    unsigned char *piece = loader->block ? loader->block + loader->used : NULL;
    loader->used += (bytes + LINE - 1) / LINE * LINE;
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

/* The tensor of that name with that shape ([rows][columns], or [rows] where columns is 0), or NULL. */
static const struct tensor *find_shaped(struct loader *loader, const char *name, int rows, int columns)
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
    return tensor;
}

const struct tensor *loader_find(struct loader *loader, const char *name, int rows, int columns)
{
    const struct tensor *tensor = find_shaped(loader, name, rows, columns);
    if (!tensor || tensor->is_float)
        return tensor;
    error_set(loader->err, ERR_UNSUPPORTED_MODEL,
              "%s: tensor %s is stored as %s, linnet supports F32, F16 and BF16", tensor->file, name,
              tensor->dtype_name);
    return NULL;
}

bool loader_vector(struct loader *loader, const float **out, const char *name, int n)
{
    const struct tensor *tensor = loader_find(loader, name, n, 0);
    if (!tensor)
        return false;
    float *vector = loader_take(loader, (size_t)n * sizeof *vector);
    if (vector)
        loader->kernels->widen(vector, tensor->data, tensor->dtype, (size_t)n);
    *out = vector;
    return true;
}

/* Floats; or integers, with a scale for each row in a tensor beside them (docs/format.md). */
bool loader_weights(struct loader *loader, struct stored_weights *out, const char *pattern,
                    struct layer_place place, struct slice slice, int n, int k)
{
    char name[FAMILY_MAX_NAME];
    int rows = n * slice.parts;
    const struct tensor *tensor =
        find_shaped(loader, family_tensor_name(name, loader->prefix, pattern, place, "weight"), rows, k);
    if (!tensor)
        return false;
    size_t first = (size_t)slice.part * (size_t)n;
    *out = (struct stored_weights){tensor->data + first * (size_t)k * dtype_size(tensor->dtype),
                                   tensor->dtype, NULL};
    if (tensor->dtype != DTYPE_I8)
        return loader_find(loader, name, rows, k) != NULL;
    bool found = loader_vector(
        loader, &out->scales, family_tensor_name(name, loader->prefix, pattern, place, "weight_scale"), rows);
    if (found && out->scales)
        out->scales += first;
    return found;
}

struct packing {
    const struct kernels *kernels;
    const struct packed *w;
    struct stored_weights from;
};

static void pack_part(void *context, int part, int parts)
{
    struct packing *p = context;
    int begin, end;
    team_split(p->w->panel_count, part, parts, &begin, &end);
    kern_pack(p->kernels, p->w, &p->from, begin, end);
}

void loader_pack(struct loader *loader, const struct packed *w, const struct stored_weights *from)
{
    struct packing packing = {loader->kernels, w, *from};
    team_run(loader->team, pack_part, &packing);
}

/* One linear layer, or one of several that are stored as one. */
struct linear_source {
    const char *pattern;
    struct slice slice;
    bool biased;
    enum precision precision;
};

static bool load_bias(struct loader *loader, const float **out, const struct linear_source *source,
                      struct layer_place place, int n)
{
    char name[FAMILY_MAX_NAME];
    if (!source->biased)
        return true;
    bool found =
        loader_vector(loader, out, family_tensor_name(name, loader->prefix, source->pattern, place, "bias"),
                      n * source->slice.parts);
    if (found && *out)
        *out += (size_t)source->slice.part * (size_t)n;
    return found;
}

static bool load_linear(struct loader *loader, struct linear *out, const struct linear_source *source,
                        struct layer_place place, int n, int k)
{
    struct stored_weights from;
    if (!loader_weights(loader, &from, source->pattern, place, source->slice, n, k))
        return false;
    void *memory = loader_take(loader, kern_packed_size(loader->kernels, source->precision, n, k));
    out->w = kern_packed_place(loader->kernels, source->precision, n, k, memory);
    if (memory)
        loader_pack(loader, &out->w, &from);
    return load_bias(loader, &out->bias, source, place, n);
}

/* Checkpoints converted from TensorFlow call weight and bias gamma and beta. */
bool loader_norm(struct loader *loader, struct norm *out, const char *pattern, struct layer_place place,
                 int n)
{
    char name[FAMILY_MAX_NAME];
    bool old = tensors_find(loader->tensors,
                            family_tensor_name(name, loader->prefix, pattern, place, "gamma")) != NULL;
    if (!loader_vector(loader, &out->gamma,
                       family_tensor_name(name, loader->prefix, pattern, place, old ? "gamma" : "weight"), n))
        return false;
    if (loader->config->biases.norms)
        return loader_vector(loader, &out->beta,
                             family_tensor_name(name, loader->prefix, pattern, place, old ? "beta" : "bias"),
                             n);
    float *zeros = loader_take(loader, (size_t)n * sizeof *zeros);
    if (zeros)
        memset(zeros, 0, (size_t)n * sizeof *zeros);
    out->beta = zeros;
    return true;
}

static bool find_table(struct loader *loader, struct table *out, const char *stem, int rows)
{
    char name[FAMILY_MAX_NAME];
    int width = loader->config->embedding;
    const struct tensor *tensor =
        loader_find(loader, family_tensor_name(name, loader->prefix, stem, nowhere, "weight"), rows, width);
    if (!tensor)
        return false;
    *out = (struct table){tensor->data, tensor->dtype, rows, width};
    return true;
}

static bool load_embeddings(struct loader *loader, struct weights *out)
{
    const struct model_config *config = loader->config;
    const struct family_names *names = config->family->names;
    const struct linear_source projection = {names->projection, {0, 1}, true, PRECISION_FP32};
    return find_table(loader, &out->words, names->words, config->vocab_size) &&
           (!config->position_table ||
            find_table(loader, &out->positions, names->positions, config->max_positions)) &&
           (!config->type_vocab || find_table(loader, &out->types, names->types, config->type_vocab)) &&
           loader_norm(loader, &out->norm, names->norm, nowhere, config->embedding) &&
           (!config->projects ||
            load_linear(loader, &out->projection, &projection, nowhere, config->hidden, config->embedding));
}

static bool load_attention(struct loader *loader, struct layer_weights *out, struct layer_place place)
{
    const struct family_names *names = loader->config->family->names;
    int hidden = loader->config->hidden;
    bool fused = strcmp(names->query, names->key) == 0;
    struct linear_source source = {
        names->query, {0, fused ? 3 : 1}, loader->config->biases.attention, loader->precision};
    if (!load_linear(loader, &out->query, &source, place, hidden, hidden))
        return false;
    source.pattern = names->key;
    source.slice.part += fused;
    if (!load_linear(loader, &out->key, &source, place, hidden, hidden))
        return false;
    source.pattern = names->value;
    source.slice.part += fused;
    if (!load_linear(loader, &out->value, &source, place, hidden, hidden))
        return false;
    source.pattern = names->attention_output;
    source.slice = (struct slice){0, 1};
    return load_linear(loader, &out->attention_output, &source, place, hidden, hidden) &&
           loader_layer_attention(loader, out, place);
}

static bool load_feed_forward(struct loader *loader, struct layer_weights *out, struct layer_place place)
{
    const struct family_names *names = loader->config->family->names;
    int hidden = loader->config->hidden, intermediate = loader->config->intermediate;
    bool fused = names->gate && strcmp(names->up, names->gate) == 0;
    struct linear_source source = {
        names->up, {0, fused ? 2 : 1}, loader->config->biases.intermediate, loader->precision};
    if (!load_linear(loader, &out->up, &source, place, intermediate, hidden))
        return false;
    source.pattern = names->gate;
    source.slice.part += fused;
    if (names->gate && !load_linear(loader, &out->gate, &source, place, intermediate, hidden))
        return false;
    source.pattern = names->down;
    source.slice = (struct slice){0, 1};
    return load_linear(loader, &out->down, &source, place, hidden, intermediate);
}

/* Where norms come first, a layer's output norm is the next one's first. */
static bool load_norms(struct loader *loader, struct layer_weights *out, struct layer_place place)
{
    const struct model_config *config = loader->config;
    const struct family_names *names = config->family->names;
    const char *output = names->output_norm;
    struct layer_place at = place;
    if (config->family->norms_first && ++at.layer == config->layers)
        output = names->final_norm;
    return loader_norm(loader, &out->attention_norm, names->attention_norm, place, config->hidden) &&
           loader_norm(loader, &out->output_norm, output, at, config->hidden);
}

/* Dense layers after pooling, each from a file of its own. */
static bool load_sentence(struct loader *loader, struct head_weights *out)
{
    const struct sentence *sentence = loader->config->sentence;
    const struct tensors *model = loader->tensors;
    bool ok = true;
    for (int i = 0; sentence && ok && i < sentence->dense_count; i++) {
        const struct dense *dense = &sentence->dense[i];
        const struct linear_source source = {"linear", {0, 1}, dense->has_bias, PRECISION_FP32};
        loader->tensors = &dense->tensors;
        ok = load_linear(loader, &out->sentence[i], &source, nowhere, dense->out, dense->in);
    }
    loader->tensors = model;
    return ok;
}

static bool has_tensor(const struct loader *loader, const char *pattern, const char *suffix)
{
    char name[FAMILY_MAX_NAME];
    return tensors_find(loader->tensors,
                        family_tensor_name(name, loader->prefix, pattern, nowhere, suffix)) != NULL;
}

static bool load_output_bias(struct loader *loader, const float **out, int n)
{
    const struct head *head = loader->config->head;
    char name[FAMILY_MAX_NAME];
    const char *bias = head->output;
    if (!loader->config->biases.head_output)
        return true;
    if (!bias || (head->output_bias && !has_tensor(loader, bias, "bias")))
        bias = head->output_bias;
    return loader_vector(loader, out, family_tensor_name(name, loader->prefix, bias, nowhere, "bias"), n);
}

/* Where a masked language model's output is the word table, its file may leave it out. */
static bool load_output(struct loader *loader, struct linear *out, int width)
{
    const struct model_config *config = loader->config;
    const struct head *head = config->head;
    const char *weights = head->output;
    int n = head->kind == HEAD_MASKED_LM ? config->vocab_size : config->label_count;
    if (!load_output_bias(loader, &out->bias, n))
        return false;
    if (!weights ||
        (head->kind == HEAD_MASKED_LM && config->ties_output && !has_tensor(loader, weights, "weight"))) {
        loader->prefix = family_prefix(config->family, loader->tensors);
        weights = config->family->names->words;
    }
    const struct linear_source source = {weights, {0, 1}, false, PRECISION_FP32};
    return load_linear(loader, out, &source, nowhere, n, width);
}

static bool load_head(struct loader *loader, struct head_weights *out)
{
    const struct model_config *config = loader->config;
    const struct head *head = config->head;
    const struct linear_source dense = {head->dense, {0, 1}, config->biases.head_dense, PRECISION_FP32};
    int width = head->kind == HEAD_MASKED_LM ? config->embedding : config->hidden;
    loader->prefix = "";
    return (!head->dense || load_linear(loader, &out->dense, &dense, nowhere, width, config->hidden)) &&
           (!head->norm || loader_norm(loader, &out->norm, head->norm, nowhere, width)) &&
           (head->kind == HEAD_NONE || load_output(loader, &out->output, width)) &&
           load_sentence(loader, out);
}

static bool load_all(struct loader *loader, struct weights *out)
{
    const struct model_config *config = loader->config;
    loader->used = 0;
    loader->prefix = family_prefix(config->family, loader->tensors);
    if (!load_embeddings(loader, out) || !loader_attention(loader, out))
        return false;
    for (int stored = 0; stored < config_stored_layers(config); stored++) {
        struct layer_place place = family_layer_place(config, stored);
        if (!load_attention(loader, &out->layers[stored], place) ||
            !load_feed_forward(loader, &out->layers[stored], place) ||
            !load_norms(loader, &out->layers[stored], place))
            return false;
    }
    return load_head(loader, &out->head);
}

/* Huge pages spare most TLB misses of streaming the weights. */
static unsigned char *allocate_block(size_t bytes)
{
    unsigned char *block = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    if (block)
        madvise(block, bytes, MADV_HUGEPAGE);
    return block;
}

bool weights_load(const struct tensors *tensors, const struct model_config *config,
                  const struct kernels *kernels, enum precision precision, struct team *team,
                  struct arena *arena, struct weights *out, struct error *err)
{
    struct loader loader = {.tensors = tensors,
                            .config = config,
                            .kernels = kernels,
                            .team = team,
                            .precision = precision,
                            .prefix = "",
                            .err = err};
    *out = (struct weights){.precision = precision};
    int layers = config_stored_layers(config);
    out->layers = arena_calloc(arena, (size_t)layers, sizeof *out->layers);
    if (!out->layers)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d layers", layers);
    if (!load_all(&loader, out))
        return false;
    out->block_bytes = loader.used;
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
