#include "model/family.h"
#include "model/loader.h"

/* --- Rotary position embeddings */

static void load_turns(struct loader *loader, const float **out, float theta)
{
    const struct model_config *config = loader->config;
    int head_size = config->hidden / config->heads;
    float *turns = loader_take(loader, (size_t)config->max_tokens * (size_t)head_size * sizeof *turns);
    if (turns)
        distances_turns(turns, config->max_tokens, head_size, theta);
    *out = turns;
}

/* --- Biases by distance */

static bool load_bias(struct loader *loader, struct weights *out)
{
    const struct model_config *config = loader->config;
    int farthest = config->max_tokens - 1;
    size_t heads = (size_t)config->heads, distances = 2 * (size_t)farthest + 1;
    char name[FAMILY_MAX_NAME];
    const struct tensor *tensor =
        loader_find(loader,
                    family_tensor_name(name, loader->prefix, config->family->names->distance_bias,
                                       (struct layer_place){0, 0}, "weight"),
                    DISTANCES_BIAS_BUCKETS, config->heads);
    if (!tensor)
        return false;
    float *bias = loader_take(loader, heads * distances * sizeof *bias);
    out->distance_bias = bias;
    if (!bias)
        return true;
    size_t size = dtype_size(tensor->dtype);
    for (int distance = -farthest; distance <= farthest; distance++) {
        size_t row = (size_t)distances_bias_bucket(distance) * heads;
        float *column = bias + (distance + farthest);
        for (size_t head = 0; head < heads; head++)
            loader->kernels->widen(column + head * distances, tensor->data + (row + head) * size,
                                   tensor->dtype, 1);
    }
    return true;
}

/* --- Relative embeddings */

/* Rows go up with the distance from the query to the key, as the kernels want them; the file's go down. */
static int embedding_rows(const struct model_config *config)
{
    return 2 * config->attention.buckets.span;
}

static void load_buckets(struct loader *loader, struct weights *out)
{
    const struct model_config *config = loader->config;
    int farthest = config->max_tokens - 1;
    int *bucket = loader_take(loader, (2 * (size_t)farthest + 1) * sizeof *bucket);
    out->buckets = bucket;
    for (int distance = -farthest; bucket && distance <= farthest; distance++)
        bucket[distance + farthest] =
            embedding_rows(config) - 1 - distances_embedding_row(&config->attention.buckets, distance);
}

static bool load_embeddings(struct loader *loader)
{
    const struct model_config *config = loader->config;
    const struct family_names *names = config->family->names;
    const struct layer_place nowhere = {0, 0};
    const struct kernels *kernels = loader->kernels;
    size_t hidden = (size_t)config->hidden, rows = (size_t)embedding_rows(config);
    char name[FAMILY_MAX_NAME];
    struct norm norm = {NULL, NULL};
    const struct tensor *tensor =
        loader_find(loader, family_tensor_name(name, loader->prefix, names->relative, nowhere, "weight"),
                    embedding_rows(config), config->hidden);
    if (!tensor || (config->attention.norms_embeddings &&
                    !loader_norm(loader, &norm, names->relative_norm, nowhere, config->hidden)))
        return false;
    float *embeddings = loader_take(loader, rows * hidden * sizeof *embeddings);
    loader->relative = embeddings;
    loader->unpacked =
        loader_take(loader, kern_packed_size(kernels, PRECISION_FP32, config->hidden, config->hidden));
    if (!embeddings)
        return true;
    for (size_t row = 0; row < rows; row++)
        kernels->widen(embeddings + (rows - 1 - row) * hidden,
                       tensor->data + row * hidden * dtype_size(tensor->dtype), tensor->dtype, hidden);
    if (norm.gamma)
        kernels->layer_norm(embeddings, embeddings, hidden, (int)rows, config->hidden, norm.gamma, norm.beta,
                            config->layer_norm_eps);
    return true;
}

struct projecting {
    const struct kernels *kernels;
    struct gemm gemm;
    struct packed w;
};

static void project_part(void *context, int part, int parts)
{
    const struct projecting *p = context;
    int begin, end;
    team_split(p->w.panel_count, part, parts, &begin, &end);
    p->kernels->gemm[PRECISION_FP32](&p->gemm, &p->w, begin, end);
}

/* *out = the embeddings projected by the linear layer of that name, at fp32 in every precision, for it is
 * done once. */
static bool load_projected(struct loader *loader, const float **out, const char *pattern,
                           struct layer_place place)
{
    const struct model_config *config = loader->config;
    int hidden = config->hidden, rows = embedding_rows(config);
    char name[FAMILY_MAX_NAME];
    struct stored_weights from;
    const float *bias;
    if (!loader_weights(loader, &from, pattern, place, (struct slice){0, 1}, hidden, hidden) ||
        !loader_vector(loader, &bias, family_tensor_name(name, loader->prefix, pattern, place, "bias"),
                       hidden))
        return false;
    float *projected = loader_take(loader, (size_t)rows * (size_t)hidden * sizeof *projected);
    *out = projected;
    if (!projected)
        return true;
    struct projecting job = {
        .kernels = loader->kernels,
        .gemm = {.x = loader->relative,
                 .x_stride = (size_t)hidden * sizeof(float),
                 .y = projected,
                 .y_stride = (size_t)hidden,
                 .bias = bias,
                 .m = rows},
        .w = kern_packed_place(loader->kernels, PRECISION_FP32, hidden, hidden, loader->unpacked),
    };
    loader_pack(loader, &job.w, &from);
    team_run(loader->team, project_part, &job);
    return true;
}

bool loader_layer_attention(struct loader *loader, struct layer_weights *out, struct layer_place place)
{
    const struct attention_config *attention = &loader->config->attention;
    const struct family_names *names = loader->config->family->names;
    bool shares = attention->shares_projections;
    return (!attention->query_to_position ||
            load_projected(loader, &out->relative_keys, shares ? names->key : names->relative_key, place)) &&
           (!attention->key_to_position ||
            load_projected(loader, &out->relative_queries, shares ? names->query : names->relative_query,
                           place));
}

bool loader_attention(struct loader *loader, struct weights *out)
{
    const struct attention_config *attention = &loader->config->attention;
    if (attention->theta > 0)
        load_turns(loader, &out->turns, attention->theta);
    if (attention->local_theta > 0)
        load_turns(loader, &out->local_turns, attention->local_theta);
    if (loader->config->family->attention == ATTENTION_BIASED && !load_bias(loader, out))
        return false;
    if (!attention->query_to_position && !attention->key_to_position)
        return true;
    load_buckets(loader, out);
    return load_embeddings(loader);
}
