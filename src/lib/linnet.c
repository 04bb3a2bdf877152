#include "linnet.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host.h"
#include "base/utf8.h"
#include "engine/embedding.h"
#include "engine/native.h"
#include "engine/score.h"
#include "engine/token_classification.h"

/* linnet.h's symbols are the library's only public ones. */
#define PUBLIC __attribute__((visibility("default")))

enum { DEFAULT_BATCH_TOKENS = 256, MAX_BATCH_ITEMS = 512, KEPT_BYTES = 1 << 20 };

struct linnet_model {
    char *directory;
    struct model_files files;
    struct engine *engine;
    struct prepare_options prepare;
    size_t batch_tokens;
    pthread_mutex_t lock; /* around what follows */
    struct lane *lane;
    struct arena arena; /* of one batch */
};

static bool fail(linnet_error *error, const struct error *err)
{
    snprintf(error->kind, sizeof error->kind, "%s", error_kind_name(err->kind));
    snprintf(error->message, sizeof error->message, "%s", err->message);
    return false;
}

static bool open_engine(struct linnet_model *model, const linnet_options *options, struct error *err)
{
    int threads = options->threads > 0 ? options->threads : host_cores();
    const struct native_options native = {
        .isa = options->isa,
        .precision = "auto",
        .load_threads = threads,
        .task = options->embed ? task_name(TASK_FEATURE_EXTRACTION) : NULL,
        .pooling = options->pooling,
    };
    if (!model_files_open(model->directory, &model->files, err))
        return false;
    model->engine = native_open(&model->files, &native, err);
    if (!model->engine) {
        model_files_close(&model->files);
        return false;
    }
    model->prepare.prompt = embedding_default(&model->engine->desc);
    model->lane = lane_open(model->engine, threads, err);
    return model->lane != NULL;
}

PUBLIC linnet_model *linnet_open(const char *directory, const linnet_options *options, linnet_error *error)
{
    static const linnet_options defaults;
    struct error err;
    if (!directory || !*directory) {
        error_set(&err, ERR_USAGE, "the directory is %s, want that of a model: the library has none inside",
                  directory ? "an empty string" : "NULL");
        fail(error, &err);
        return NULL;
    }
    struct linnet_model *model = calloc(1, sizeof *model);
    if (!options)
        options = &defaults;
    if (model)
        model->directory = strdup(directory);
    if (!model || !model->directory) {
        free(model);
        error_set(&err, ERR_NO_MEMORY, "no memory to open %s", directory);
        fail(error, &err);
        return NULL;
    }
    pthread_mutex_init(&model->lock, NULL);
    arena_init(&model->arena, KEPT_BYTES, SIZE_MAX);
    model->prepare.truncate = !options->no_truncation;
    model->batch_tokens = options->batch_tokens ? options->batch_tokens : DEFAULT_BATCH_TOKENS;
    if (open_engine(model, options, &err))
        return model;
    fail(error, &err);
    linnet_close(model);
    return NULL;
}

PUBLIC void linnet_close(linnet_model *model)
{
    if (!model)
        return;
    lane_close(model->lane);
    if (model->engine) {
        engine_close(model->engine);
        model_files_close(&model->files);
    }
    arena_free(&model->arena);
    pthread_mutex_destroy(&model->lock);
    free(model->directory);
    free(model);
}

PUBLIC int linnet_label_count(const linnet_model *model)
{
    return model->engine->desc.label_count;
}

PUBLIC const char *linnet_label(const linnet_model *model, int id)
{
    return id >= 0 && id < model->engine->desc.label_count ? model->engine->desc.labels[id] : NULL;
}

PUBLIC int linnet_max_tokens(const linnet_model *model)
{
    return model->engine->desc.max_tokens;
}

PUBLIC int linnet_dimensions(const linnet_model *model)
{
    return model->engine->desc.task == TASK_FEATURE_EXTRACTION ? model->engine->desc.columns : 0;
}

/* What is done with each computed item, in order. */
typedef void take_item(const linnet_model *model, const struct item *item, size_t index, void *context);

struct texts {
    const char *const *texts, *const *pairs; /* pairs may be NULL */
    size_t count;
};

static bool prepare_text(struct linnet_model *model, const struct texts *texts, size_t index,
                         struct item *item, struct error *err)
{
    struct input input = {.text = texts->texts[index], .text_length = strlen(texts->texts[index])};
    if (texts->pairs) {
        input.pair = texts->pairs[index];
        input.pair_length = strlen(input.pair);
    }
    bool valid = utf8_valid(input.text, input.text_length) &&
                 (!input.pair || utf8_valid(input.pair, input.pair_length));
    if (!valid)
        error_set(err, ERR_BAD_INPUT, "the text is not valid UTF-8");
    if (valid && engine_prepare(model->engine, &input, &model->prepare, &model->arena, item, err))
        return true;
    error_prefix(err, "text %zu", index);
    return false;
}

/* Prepares texts from *next on while they fit a batch, and computes them. */
static bool run_batch(struct linnet_model *model, const struct texts *texts, size_t *next, take_item *take,
                      void *context, struct error *err)
{
    struct item items[MAX_BATCH_ITEMS], *pointers[MAX_BATCH_ITEMS];
    size_t count = 0, tokens = 0, first = *next;
    arena_reset(&model->arena);
    while (first + count < texts->count && count < MAX_BATCH_ITEMS && tokens < model->batch_tokens) {
        if (!prepare_text(model, texts, first + count, &items[count], err))
            return false;
        tokens += items[count].cost;
        pointers[count] = &items[count];
        count++;
    }
    lane_run(model->lane, pointers, count);
    for (size_t i = 0; i < count; i++) {
        if (items[i].error != ERR_NONE)
            return error_set(err, items[i].error, "text %zu: %s", first + i,
                             error_kind_words(items[i].error));
        take(model, &items[i], first + i, context);
    }
    *next = first + count;
    return true;
}

static bool run_texts(struct linnet_model *model, enum task task, const struct texts *texts, take_item *take,
                      void *context, linnet_error *error)
{
    struct error err;
    size_t next = 0;
    bool ok = true;
    if (model->engine->desc.task != task) {
        error_set(&err, ERR_UNSUPPORTED_MODEL, "the model is for %s, the call for %s",
                  model->engine->desc.task_name, task_name(task));
        return fail(error, &err);
    }
    pthread_mutex_lock(&model->lock);
    while (ok && next < texts->count)
        ok = run_batch(model, texts, &next, take, context, &err);
    pthread_mutex_unlock(&model->lock);
    return ok || fail(error, &err);
}

static void take_best(const linnet_model *model, const struct item *item, size_t index, void *context)
{
    const struct model_desc *desc = &model->engine->desc;
    int id;
    score_apply(desc, SCORE_DEFAULT, item->rows, item->rows);
    score_rank(item->rows, desc->label_count, &id, 1);
    ((linnet_result *)context)[index] =
        (linnet_result){desc->labels[id], id, item->rows[id], item->length < item->full_length};
}

PUBLIC bool linnet_classify(linnet_model *model, const char *const texts[], size_t count,
                            linnet_result results[], linnet_error *error)
{
    const struct texts all = {texts, NULL, count};
    return run_texts(model, TASK_TEXT_CLASSIFICATION, &all, take_best, results, error);
}

struct score_rows {
    float *rows;
    enum score_function function;
};

static void take_scores(const linnet_model *model, const struct item *item, size_t index, void *context)
{
    const struct score_rows *scores = context;
    const struct model_desc *desc = &model->engine->desc;
    score_apply(desc, scores->function, item->rows, scores->rows + index * (size_t)desc->label_count);
}

PUBLIC bool linnet_pair_scores(linnet_model *model, const char *const texts[], const char *const pairs[],
                               size_t count, bool raw, float scores[], linnet_error *error)
{
    const struct texts all = {texts, pairs, count};
    struct score_rows rows = {scores, raw ? SCORE_NONE : SCORE_DEFAULT};
    return run_texts(model, TASK_TEXT_CLASSIFICATION, &all, take_scores, &rows, error);
}

PUBLIC bool linnet_scores(linnet_model *model, const char *const texts[], size_t count, bool raw,
                          float scores[], linnet_error *error)
{
    return linnet_pair_scores(model, texts, NULL, count, raw, scores, error);
}

static void take_embedding(const linnet_model *model, const struct item *item, size_t index, void *context)
{
    (void)model;
    memcpy((float *)context + index * item->columns, item->rows, item->columns * sizeof *item->rows);
}

PUBLIC bool linnet_embed(linnet_model *model, const char *const texts[], size_t count, float embeddings[],
                         linnet_error *error)
{
    const struct texts all = {texts, NULL, count};
    return run_texts(model, TASK_FEATURE_EXTRACTION, &all, take_embedding, embeddings, error);
}

/* One block: the entities, then their words. */
static bool copy_entities(const struct entity *found, size_t count, linnet_entities *out, struct error *err)
{
    size_t bytes = count * sizeof *out->items;
    for (size_t i = 0; i < count; i++)
        bytes += found[i].word_length + 1;
    out->items = malloc(bytes ? bytes : 1);
    if (!out->items)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu entities", count);
    char *words = (char *)(out->items + count);
    for (size_t i = 0; i < count; i++) {
        memcpy(words, found[i].word, found[i].word_length);
        words[found[i].word_length] = '\0';
        out->items[i] = (linnet_entity){found[i].label, words, found[i].score, found[i].start, found[i].end};
        words += found[i].word_length + 1;
    }
    out->count = count;
    return true;
}

/* Under the model's lock. */
static bool find_entities(linnet_model *model, const char *text, enum aggregation aggregation,
                          linnet_entities *out, struct error *err)
{
    const struct input input = {.text = text, .text_length = strlen(text)};
    struct prepare_options prepare = model->prepare;
    struct entity_options options = ENTITY_DEFAULTS;
    struct item item, *pointer = &item;
    struct entity *found;
    size_t count;
    prepare.rows = ROWS_TOKENS;
    prepare.places = true;
    options.aggregation = aggregation;
    arena_reset(&model->arena);
    if (!engine_prepare(model->engine, &input, &prepare, &model->arena, &item, err))
        return false;
    lane_run(model->lane, &pointer, 1);
    if (item.error != ERR_NONE)
        return error_set(err, item.error, "%s", error_kind_words(item.error));
    out->truncated = item.length < item.full_length;
    return token_classification_entities(model->engine, input.text, input.text_length, &item, &options,
                                         &model->arena, &found, &count, err) &&
           copy_entities(found, count, out, err);
}

PUBLIC bool linnet_find_entities(linnet_model *model, const char *text, const char *aggregation,
                                 linnet_entities *entities, linnet_error *error)
{
    const struct model_desc *desc = &model->engine->desc;
    enum aggregation strategy;
    struct error err;
    bool ok = false;
    *entities = (linnet_entities){0};
    if (desc->task != TASK_TOKEN_CLASSIFICATION) {
        error_set(&err, ERR_UNSUPPORTED_MODEL, "the model is for %s, the call for %s", desc->task_name,
                  task_name(TASK_TOKEN_CLASSIFICATION));
    } else if (!aggregation_parse(aggregation, strlen(aggregation), &strategy)) {
        error_set(&err, ERR_USAGE, "aggregation is \"%.40s\", want none, simple, first, average or max",
                  aggregation);
    } else if (!utf8_valid(text, strlen(text))) {
        error_set(&err, ERR_BAD_INPUT, "the text is not valid UTF-8");
    } else {
        pthread_mutex_lock(&model->lock);
        ok = find_entities(model, text, strategy, entities, &err);
        pthread_mutex_unlock(&model->lock);
    }
    return ok || fail(error, &err);
}

PUBLIC void linnet_entities_free(linnet_entities *entities)
{
    free(entities->items);
    *entities = (linnet_entities){0};
}
