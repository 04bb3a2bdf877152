#include "engine/native.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "model/family.h"
#include "model/model.h"

struct native {
    struct engine engine; /* first: an engine pointer is a native pointer */
    struct tokenizer *tokenizer;
    struct model *model;
};

struct native_lane {
    struct lane lane;
    struct team *team;
    struct arena arena;
};

static const struct native *native_of(const struct engine *engine)
{
    return (const struct native *)engine;
}

const char *task_name(enum task task)
{
    static const char *const names[] = {
        [TASK_TEXT_CLASSIFICATION] = "text-classification", [TASK_OTHER] = "other"};
    return names[task];
}

/* --- Preparing */

/* A tokenizer may know tokens that the model has no embedding for. */
static bool check_tokens(const struct native *native, const struct encoding *encoding, struct error *err)
{
    const struct model_config *config = model_config(native->model);
    for (size_t i = 0; i < encoding->length; i++) {
        if (encoding->ids[i] < 0 || encoding->ids[i] >= config->vocab_size)
            return error_set(err, ERR_BAD_INPUT, "the text has token %d, the model's vocabulary ends at %d",
                             (int)encoding->ids[i], config->vocab_size - 1);
        if (config->type_vocab && encoding->type_ids[i] >= config->type_vocab)
            return error_set(err, ERR_BAD_INPUT, "a pair needs token type %d, the model has %d",
                             encoding->type_ids[i], config->type_vocab);
    }
    return true;
}

static bool prepare(const struct engine *engine, const struct input *input,
                    const struct prepare_options *options, struct arena *arena, struct item *out,
                    struct error *err)
{
    const struct native *native = native_of(engine);
    size_t limit = (size_t)engine->desc.max_tokens;
    struct encode_options encode = {
        .truncate = options->truncate,
        .strategy = options->strategy,
        .max_tokens = options->max_tokens ? options->max_tokens : limit,
    };
    struct encoding encoding;
    const char *pair = input->pair_length > 0 ? input->pair : NULL;
    if (!tokenizer_encode(native->tokenizer, input->text, input->text_length, pair, input->pair_length,
                          &encode, arena, &encoding, err))
        return false;
    if (encoding.length > limit && options->truncate)
        return error_set(err, ERR_TOO_LONG,
                         "cut to %zu tokens the text has %zu, the model takes %zu: ask for fewer",
                         options->max_tokens, encoding.length, limit);
    if (encoding.length > limit)
        return error_set(err, ERR_TOO_LONG,
                         "the text has %zu tokens, the model takes %zu: shorten it or ask for truncation",
                         encoding.length, limit);
    if (encoding.length == 0)
        return error_set(err, ERR_BAD_INPUT, "the text has no tokens");
    if (!tokenizer_has_types(native->tokenizer))
        memset(encoding.type_ids, 0, encoding.length);
    if (!check_tokens(native, &encoding, err))
        return false;
    *out = (struct item){
        .cost = encoding.length,
        .ids = encoding.ids,
        .type_ids = encoding.type_ids,
        .length = encoding.length,
        .full_length = encoding.full_length,
        .row = arena_alloc(arena, (size_t)engine->desc.label_count * sizeof(float)),
    };
    return out->row || error_set(err, ERR_NO_MEMORY, "no memory for the result of a text");
}

/* --- Running */

static void lane_close_native(struct lane *lane)
{
    struct native_lane *native = (struct native_lane *)lane;
    team_stop(native->team);
    arena_free(&native->arena);
    free(native);
}

static struct lane *lane_open_native(const struct engine *engine, int threads, struct error *err)
{
    struct native_lane *lane = calloc(1, sizeof *lane);
    if (!lane) {
        error_set(err, ERR_NO_MEMORY, "no memory for a lane");
        return NULL;
    }
    lane->lane.engine = engine;
    arena_init(&lane->arena, SIZE_MAX, SIZE_MAX);
    lane->team = team_start(threads, err);
    if (!lane->team) {
        free(lane);
        return NULL;
    }
    return &lane->lane;
}

/* Concatenates the items' tokens. False where there is no memory. */
static bool make_batch(struct item *const items[], size_t count, struct arena *arena, struct batch *out)
{
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++)
        tokens += items[i]->length;
    int *offsets = arena_alloc(arena, (count + 1) * sizeof *offsets);
    int32_t *ids = arena_alloc(arena, tokens * sizeof *ids);
    uint8_t *type_ids = arena_alloc(arena, tokens);
    if (!offsets || !ids || !type_ids)
        return false;
    offsets[0] = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(ids + offsets[i], items[i]->ids, items[i]->length * sizeof *ids);
        memcpy(type_ids + offsets[i], items[i]->type_ids, items[i]->length);
        offsets[i + 1] = offsets[i] + (int)items[i]->length;
    }
    *out = (struct batch){.count = (int)count, .offsets = offsets, .ids = ids, .type_ids = type_ids};
    return true;
}

static bool all_finite(const float *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

static void lane_run_native(struct lane *lane, struct item *const items[], size_t count)
{
    struct native_lane *native_lane = (struct native_lane *)lane;
    const struct native *native = native_of(lane->engine);
    size_t labels = (size_t)lane->engine->desc.label_count;
    struct batch batch;
    struct error err;
    arena_reset(&native_lane->arena);
    float *logits = arena_alloc(&native_lane->arena, count * labels * sizeof *logits);
    bool ran = logits && make_batch(items, count, &native_lane->arena, &batch) &&
               model_classify(native->model, &batch, native_lane->team, &native_lane->arena, logits, &err);
    for (size_t i = 0; i < count; i++) {
        if (!ran) {
            items[i]->error = ERR_NO_MEMORY;
            continue;
        }
        memcpy(items[i]->row, logits + i * labels, labels * sizeof *logits);
        items[i]->error = all_finite(items[i]->row, labels) ? ERR_NONE : ERR_NON_FINITE;
    }
}

/* --- Opening */

static void close_native(struct engine *engine)
{
    struct native *native = (struct native *)engine;
    tokenizer_close(native->tokenizer);
    model_close(native->model);
    free(native);
}

static const struct engine_operations operations = {
    .prepare = prepare,
    .lane_open = lane_open_native,
    .lane_run = lane_run_native,
    .lane_close = lane_close_native,
    .close = close_native,
};

static int token_limit(const struct native *native)
{
    size_t positions = (size_t)model_config(native->model)->max_positions;
    size_t said = tokenizer_max_length(native->tokenizer);
    return (int)(said && said < positions ? said : positions);
}

static void describe(struct native *native, const struct model_files *files, const struct kernels *kernels)
{
    const struct model_config *config = model_config(native->model);
    struct model_facts facts = model_facts(native->model);
    native->engine.desc = (struct model_desc){
        .name = files->name,
        .engine = "native",
        .model_type = config->family->model_type,
        .architecture = config->family->architecture,
        .activation = config->activation_name,
        .task = TASK_TEXT_CLASSIFICATION,
        .task_name = task_name(TASK_TEXT_CLASSIFICATION),
        .problem_type = config->problem_type,
        .label_count = config->label_count,
        .labels = config->labels,
        .layers = config->layers,
        .hidden = config->hidden,
        .heads = config->heads,
        .intermediate = config->intermediate,
        .vocab_size = config->vocab_size,
        .max_tokens = token_limit(native),
        .precision = "fp32",
        .stored = facts.stored,
        .isa = kernels->name,
        .parameters = facts.parameters,
        .packed_bytes = facts.packed_bytes,
        .mapped_bytes = facts.mapped_bytes,
    };
}

static bool load(struct native *native, const struct model_files *files, const struct kernels *kernels,
                 int threads, struct error *err)
{
    struct team *team = team_start(threads, err);
    if (!team)
        return false;
    native->model = model_open(files, kernels, team, err);
    team_stop(team);
    if (!native->model)
        return false;
    native->tokenizer = files->tokenizer_json.bytes
                            ? tokenizer_open_json(files->tokenizer_json, files->tokenizer_config, err)
                            : tokenizer_open_vocab(files->vocab, files->tokenizer_config, err);
    return native->tokenizer != NULL;
}

bool native_check(const struct native_options *options, struct error *err)
{
    if (strcmp(options->precision, "auto") != 0 && strcmp(options->precision, "fp32") != 0)
        return error_set(err, ERR_USAGE, "precision \"%.40s\" is unknown, want auto or fp32",
                         options->precision);
    return kern_select(options->isa, err) != NULL;
}

struct engine *native_open(const struct model_files *files, const struct native_options *options,
                           struct error *err)
{
    if (!native_check(options, err))
        return NULL;
    const struct kernels *kernels = kern_select(options->isa, err);
    struct native *native = calloc(1, sizeof *native);
    if (!native) {
        error_set(err, ERR_NO_MEMORY, "no memory to open %s", files->name);
        return NULL;
    }
    native->engine.operations = &operations;
    if (!load(native, files, kernels, options->load_threads, err)) {
        error_prefix(err, "%s", files->name);
        close_native(&native->engine);
        return NULL;
    }
    describe(native, files, kernels);
    return &native->engine;
}

const struct tokenizer *native_tokenizer(const struct engine *engine)
{
    return native_of(engine)->tokenizer;
}
