#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "model/attention.h"
#include "model/family.h"
#include "model/head.h"
#include "model/sentence.h"
#include "model/weights.h"

struct model {
    struct arena arena; /* config, tensor list, layer structs */
    struct model_config config;
    struct sentence sentence; /* of config, where it has one */
    struct weights weights;
    const struct kernels *kernels;
    struct model_facts facts;
};

/* One word for people, where a file may mix: the integers of what `linnet quantize` wrote, beside which the
 * table of words may be larger; else as the largest tensor is. */
static const char *stored_as(const struct tensors *tensors)
{
    const char *name = "F32";
    uint64_t largest = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->sorted[i];
        if (tensor->dtype == DTYPE_I8 && tensors->made_for)
            return tensor->dtype_name;
        if (tensor->is_float && tensor->end - tensor->begin > largest) {
            largest = tensor->end - tensor->begin;
            name = tensor->dtype_name;
        }
    }
    return name;
}

/* A precision of a later version has no arithmetic here, and its tensors may mean something else. */
static bool choose_precision(const struct kernels *kernels, const char *made_for, const enum precision *asked,
                             enum precision *out, struct error *err)
{
    *out = asked ? *asked : PRECISION_FP32;
    if (!made_for)
        return true;
    for (int i = 0; i < PRECISION_COUNT; i++) {
        enum precision precision = (enum precision)i;
        if (strcmp(made_for, precision_name(precision)) != 0)
            continue;
        if (!asked && kernels->gemm[precision])
            *out = precision;
        return true;
    }
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "model.safetensors was written for precision \"%.40s\", linnet supports bf16 and int8",
                     made_for);
}

/* Sparse embeddings are of the head that others are made without. */
static bool check_sparse(const struct model_config *config, const struct model_options *options,
                         struct error *err)
{
    if (config->head->kind == HEAD_MASKED_LM)
        return true;
    if (!options->pooling)
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "modules.json has SpladePooling, which is for masked language models, and config.json "
            "names %s",
            config->head->architecture);
    return error_set(err, ERR_USAGE,
                     "sparse embeddings (" SPLADE_NAME ") are of masked language models, the model is a %s%s",
                     config->head->architecture, options->features ? " with --task feature-extraction" : "");
}

static bool read_config(struct model *model, const struct model_files *files,
                        const struct model_options *options, struct error *err)
{
    struct model_config *config = &model->config;
    bool asked = options->pooling && strcmp(options->pooling, SPLADE_NAME) == 0;
    bool sparse = asked || (!options->pooling && !options->features &&
                            modules_make_sparse(files->modules, files->module_count));
    bool embeds = options->pooling || modules_pool(files->modules, files->module_count);
    enum head_wish wish = options->features ? HEAD_OF_FEATURES
                          : sparse          ? HEAD_OF_FILES
                          : embeds          ? HEAD_OF_EMBEDDINGS
                                            : HEAD_OF_FILES;
    if (!config_read(files->config, wish, &model->arena, config, err) ||
        (sparse && !check_sparse(config, options, err)))
        return false;
    if (sparse || config->head->kind == HEAD_NONE) {
        config->sentence = &model->sentence;
        return sentence_read(files, config, options->pooling, &model->arena, &model->sentence, err);
    }
    return !options->pooling ||
           error_set(
               err, ERR_USAGE,
               "--pooling %.60s is for embeddings, the model is a %s; want --task feature-extraction too",
               options->pooling, config->head->architecture);
}

static bool load(struct model *model, const struct model_files *files, const struct model_options *options,
                 struct team *team, struct error *err)
{
    struct tensors tensors;
    enum precision precision;
    if (!read_config(model, files, options, err) || !tensors_open(files, &model->arena, &tensors, err) ||
        !choose_precision(model->kernels, tensors.made_for, options->precision, &precision, err) ||
        !weights_load(&tensors, &model->config, model->kernels, precision, team, &model->arena,
                      &model->weights, err))
        return false;
    model->facts = (struct model_facts){
        .precision = precision,
        .attention_precision = attention_precision(&model->weights, model->kernels),
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

struct model *model_open(const struct model_files *files, const struct kernels *kernels,
                         const struct model_options *options, struct team *team, struct error *err)
{
    struct model *model = calloc(1, sizeof *model);
    if (!model) {
        error_set(err, ERR_NO_MEMORY, "no memory to open %s", files->name);
        return NULL;
    }
    arena_init(&model->arena, 0, SIZE_MAX);
    model->kernels = kernels;
    if (load(model, files, options, team, err))
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

int model_columns(const struct model *model)
{
    return head_columns(&model->config);
}

int model_token_columns(const struct model *model)
{
    return head_token_columns(&model->config);
}

bool model_run(const struct model *model, const struct batch *batch, struct team *team, struct arena *arena,
               float *rows, struct stage_times *times, struct error *err)
{
    struct selection selection;
    struct pass pass = {
        .config = &model->config,
        .weights = &model->weights,
        .kernels = model->kernels,
        .batch = batch,
        .team = team,
        .times = times,
    };
    return head_select(&model->config, batch, arena, &selection, err) &&
           pass_init(&pass, &selection, arena, err) &&
           head_run(&pass, &selection, encoder_run(&pass, &selection), arena, rows, err);
}
