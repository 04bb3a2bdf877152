#include "model/model.h"

#include <stdlib.h>

#include "model/encoder.h"
#include "model/family.h"
#include "model/weights.h"

struct model {
    struct arena arena; /* config, tensor list, layer structs */
    struct model_config config;
    struct weights weights;
    const struct kernels *kernels;
    struct model_facts facts;
};

/* How the largest tensor is stored: one word for people, where a file may mix. */
static const char *stored_as(const struct tensors *tensors)
{
    const char *name = "F32";
    uint64_t largest = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->sorted[i];
        if (tensor->is_float && tensor->end - tensor->begin > largest) {
            largest = tensor->end - tensor->begin;
            name = tensor->dtype_name;
        }
    }
    return name;
}

static bool load(struct model *model, const struct model_files *files, struct team *team, struct error *err)
{
    struct tensors tensors;
    if (!config_read(files->config, &model->arena, &model->config, err) ||
        !tensors_open(files, &model->arena, &tensors, err) ||
        !weights_load(&tensors, &model->config, model->kernels, team, &model->arena, &model->weights, err))
        return false;
    model->facts = (struct model_facts){
        .parameters = tensors.float_elements,
        .packed_bytes = model->weights.block_bytes,
        .stored = stored_as(&tensors),
    };
    for (size_t i = 0; i < files->shard_count; i++) {
        model->facts.mapped_bytes += files->shards[i].bytes.size;
        /* What was packed is not read again; embedding rows come back when a token needs them. */
        blob_drop_pages(files->shards[i].bytes);
    }
    return true;
}

struct model *model_open(const struct model_files *files, const struct kernels *kernels, struct team *team,
                         struct error *err)
{
    struct model *model = calloc(1, sizeof *model);
    if (!model) {
        error_set(err, ERR_NO_MEMORY, "no memory to open %s", files->name);
        return NULL;
    }
    arena_init(&model->arena, 0, SIZE_MAX);
    model->kernels = kernels;
    if (load(model, files, team, err))
        return model;
    model_close(model);
    return NULL;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    weights_free(&model->weights);
    arena_free(&model->arena);
    free(model);
}

const struct model_config *model_config(const struct model *model)
{
    return &model->config;
}

struct model_facts model_facts(const struct model *model)
{
    return model->facts;
}

bool model_classify(const struct model *model, const struct batch *batch, struct team *team,
                    struct arena *arena, float *logits, struct error *err)
{
    const struct model_config *config = &model->config;
    struct pass pass = {
        .config = config,
        .weights = &model->weights,
        .kernels = model->kernels,
        .batch = batch,
        .team = team,
    };
    if (!pass_init(&pass, arena, err))
        return false;
    encoder_first_tokens(&pass);
    /* query is free after the last layer. */
    float *pooled = pass.query;
    encoder_linear(&pass, pooled, pass.first, batch->count, &model->weights.pooler,
                   config->family->pooler_activation, NULL);
    encoder_linear(&pass, logits, pooled, batch->count, &model->weights.classifier, ACT_NONE, NULL);
    return true;
}
