#include "engine/native.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "engine/embedding.h"
#include "engine/fill_mask.h"
#include "model/family.h"
#include "model/model.h"

struct native {
    struct engine engine; /* first: an engine pointer is a native pointer */
    struct tokenizer *tokenizer;
    struct model *model;
};

struct native_lane {
    struct lane lane;
    struct team *team;     /* own_team, or the caller's */
    struct team *own_team; /* or NULL */
    struct arena arena;
    struct stage_times *times; /* the caller's, or NULL */
};

static const struct native *native_of(const struct engine *engine)
{
    return (const struct native *)engine;
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

static const char NO_RESULT[] = "no memory for the result of a text";

static bool make_sparse(const struct model_desc *desc, const struct prepare_options *options,
                        struct arena *arena, struct item *out, struct error *err)
{
    out->row_count = 1;
    out->columns = (size_t)desc->columns;
    out->sparse = options->sparse_room;
    if (!out->sparse)
        out->sparse = arena_alloc(arena, out->columns * sizeof *out->sparse);
    return out->sparse || error_set(err, ERR_NO_MEMORY, NO_RESULT);
}

/* Rows of logits, or of states. */
static bool make_rows(const struct model_desc *desc, const struct prepare_options *options,
                      struct arena *arena, struct item *out, struct error *err)
{
    bool tokens = options->rows == ROWS_TOKENS;
    out->row_count = tokens ? out->length : 1;
    out->columns = (size_t)(tokens ? desc->token_columns : desc->columns);
    if (!tokens && desc->sentence) {
        if (options->dimensions < 0 || options->dimensions > desc->columns)
            return error_set(err, ERR_BAD_INPUT, "dimensions is %d, the model's embeddings have %d",
                             options->dimensions, desc->columns);
        if (options->dimensions)
            out->columns = (size_t)options->dimensions;
        bool as_model = options->normalise == NORMALISE_AS_MODEL && desc->sentence->normalises;
        out->normalised = options->normalise == NORMALISE_ALWAYS || as_model;
        out->cut_last = as_model && !options->dimensions;
    }
    out->rows = arena_alloc(arena, out->row_count * out->columns * sizeof *out->rows);
    return out->rows || error_set(err, ERR_NO_MEMORY, NO_RESULT);
}

/* Predictions of each mask, or without `fill` its logits. */
static bool make_masks(const struct native *native, const struct input *input,
                       const struct fill_options *fill, struct arena *arena, struct item *out,
                       struct error *err)
{
    const int32_t mask = tokenizer_special_id(native->tokenizer, SPECIAL_ID_MASK);
    const struct token_text word = tokenizer_token(native->tokenizer, mask);
    int *masks = arena_alloc(arena, out->length * sizeof *masks);
    for (size_t i = 0; masks && i < out->length; i++)
        if (out->ids[i] == mask)
            masks[out->row_count++] = (int)i;
    if (masks && out->row_count == 0 && out->length < out->full_length && input->text &&
        memmem(input->text, input->text_length, word.text, word.length))
        return error_set(
            err, ERR_TOO_LONG,
            "cut from %zu tokens to %zu the text has no mask token left: shorten it before its %s, "
            "or cut it less",
            out->full_length, out->length, word.text);
    if (masks && out->row_count == 0)
        return error_set(err, ERR_BAD_INPUT,
                         "the text has no mask token, want %s where a word is to be found", word.text);
    out->fill = fill;
    out->masks = masks;
    out->columns = (size_t)native->engine.desc.columns;
    if (fill)
        out->predictions = arena_alloc(arena, out->row_count * fill->top_k * sizeof *out->predictions);
    else
        out->rows = arena_alloc(arena, out->row_count * out->columns * sizeof *out->rows);
    return (masks && (out->predictions || out->rows)) || error_set(err, ERR_NO_MEMORY, NO_RESULT);
}

/* Tokens that came as such. */
static bool take_ids(const struct input *input, const struct encode_options *options, struct arena *arena,
                     struct encoding *out, struct error *err)
{
    bool cut = options->truncate && input->id_count > options->max_tokens;
    size_t length = cut ? options->max_tokens : input->id_count;
    size_t skipped = options->side == TRUNCATE_LEFT ? input->id_count - length : 0;
    *out = (struct encoding){.ids = arena_alloc(arena, length * sizeof *out->ids),
                             .type_ids = arena_calloc(arena, length, 1),
                             .length = length,
                             .full_length = input->id_count};
    if (!out->ids || !out->type_ids)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu tokens", length);
    memcpy(out->ids, input->ids + skipped, length * sizeof *out->ids);
    return true;
}

static bool encode(const struct native *native, const struct input *input,
                   const struct prepare_options *options, size_t limit, struct arena *arena,
                   struct encoding *out, struct error *err)
{
    const size_t said = tokenizer_max_length(native->tokenizer);
    const bool unasked = !options->truncate && options->cuts_unasked && said;
    struct encode_options encode = {
        .truncate = options->truncate || unasked,
        .strategy = options->strategy,
        .side = options->side,
        .max_tokens = unasked               ? said
                      : options->max_tokens ? options->max_tokens
                                            : limit,
        .places = options->places,
    };
    const char *pair = input->pair_length > 0 ? input->pair : NULL;
    if (input->ids)
        return take_ids(input, &encode, arena, out, err);
    if (tokenizer_encode(native->tokenizer, input->text, input->text_length, pair, input->pair_length,
                         &encode, arena, out, err))
        return true;
    if (!unasked || err->kind != ERR_BAD_INPUT)
        return false;
    encode.truncate = false;
    return tokenizer_encode(native->tokenizer, input->text, input->text_length, pair, input->pair_length,
                            &encode, arena, out, err);
}

static bool prepare(const struct engine *engine, const struct input *input,
                    const struct prepare_options *options, struct arena *arena, struct item *out,
                    struct error *err)
{
    const struct native *native = native_of(engine);
    struct input text = *input;
    if (!input->ids && !embedding_text(&engine->desc, options->prompt, arena, &text, err))
        return false;
    size_t limit = (size_t)engine->desc.max_tokens;
    struct encoding encoding;
    if (!encode(native, &text, options, limit, arena, &encoding, err))
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
        .key = options->rows, /* a batch has one kind of rows */
        .row_kind = options->rows,
        .places = encoding.places,
        .cost = encoding.length,
        .ids = encoding.ids,
        .type_ids = encoding.type_ids,
        .length = encoding.length,
        .full_length = encoding.full_length,
    };
    if (engine->desc.task == TASK_SPARSE_EMBEDDING)
        return make_sparse(&engine->desc, options, arena, out, err);
    return options->rows == ROWS_MASKS ? make_masks(native, input, options->fill, arena, out, err)
                                       : make_rows(&engine->desc, options, arena, out, err);
}

/* --- Running */

static void lane_close_native(struct lane *lane)
{
    struct native_lane *native = (struct native_lane *)lane;
    team_stop(native->own_team);
    arena_free(&native->arena);
    free(native);
}

static struct lane *lane_open_native(const struct engine *engine, struct team *team, int threads,
                                     struct error *err)
{
    struct native_lane *lane = calloc(1, sizeof *lane);
    if (!lane) {
        error_set(err, ERR_NO_MEMORY, "no memory for a lane");
        return NULL;
    }
    lane->lane.engine = engine;
    arena_init(&lane->arena, SIZE_MAX, SIZE_MAX);
    if (!team)
        team = lane->own_team = team_start(threads, err);
    lane->team = team;
    if (!team) {
        free(lane);
        return NULL;
    }
    return &lane->lane;
}

static bool all_finite(const float *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

/* The masks whose logits come next, as the model hands them over. */
struct masks {
    struct item *const *items;
    size_t item, mask; /* mask of items[item] */
};

static void take_masks(void *context, int row, int count, const float *rows)
{
    struct masks *next = context;
    (void)row;
    for (int i = 0; i < count; i++, next->mask++) {
        if (next->mask == next->items[next->item]->row_count) {
            next->item++;
            next->mask = 0;
        }
        struct item *item = next->items[next->item];
        const float *logits = rows + (size_t)i * item->columns;
        if (!all_finite(logits, item->columns))
            item->error = ERR_NON_FINITE;
        else if (item->fill)
            fill_mask_predict(item, next->mask, logits, item->columns);
        if (!item->fill)
            memcpy(item->rows + next->mask * item->columns, logits, item->columns * sizeof *logits);
    }
}

/* Asks for a row of each mask. */
static bool choose_masks(struct item *const items[], size_t count, struct arena *arena, struct batch *batch)
{
    size_t rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += items[i]->row_count;
    int *tokens = arena_alloc(arena, rows * sizeof *tokens);
    int *row_offsets = arena_alloc(arena, (count + 1) * sizeof *row_offsets);
    if (!tokens || !row_offsets)
        return false;
    row_offsets[0] = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < items[i]->row_count; j++)
            tokens[row_offsets[i] + (int)j] = batch->offsets[i] + items[i]->masks[j];
        row_offsets[i + 1] = row_offsets[i] + (int)items[i]->row_count;
    }
    struct masks *masks = arena_alloc(arena, sizeof *masks);
    if (!masks)
        return false;
    *masks = (struct masks){.items = items};
    batch->tokens = tokens;
    batch->row_offsets = row_offsets;
    batch->take = take_masks;
    batch->context = masks;
    return true;
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
    *out = (struct batch){.count = (int)count, .offsets = offsets, .ids = ids, .type_ids = type_ids};
    for (size_t i = 0; i < count; i++) {
        memcpy(ids + offsets[i], items[i]->ids, items[i]->length * sizeof *ids);
        memcpy(type_ids + offsets[i], items[i]->type_ids, items[i]->length);
        offsets[i + 1] = offsets[i] + (int)items[i]->length;
    }
    if (items[0]->row_kind == ROWS_TOKENS)
        out->row_offsets = offsets;
    return items[0]->row_kind != ROWS_MASKS || choose_masks(items, count, arena, out);
}

/* The numbers of a row that are not 0. */
static void take_sparse(struct item *item, const float *row, size_t columns)
{
    item->sparse_count = 0;
    for (size_t i = 0; i < columns; i++)
        if (row[i] != 0)
            item->sparse[item->sparse_count++] = (struct sparse_value){(int32_t)i, row[i]};
}

/* What the model computed for an item, rows[row_count][columns], becomes its result. */
static void take_rows(struct item *item, float *rows, size_t columns)
{
    item->error = all_finite(rows, item->row_count * columns) ? ERR_NONE : ERR_NON_FINITE;
    if (item->sparse) {
        take_sparse(item, rows, columns);
        return;
    }
    if (item->normalised && item->cut_last)
        embedding_normalise(rows, columns);
    for (size_t i = 0; i < item->row_count; i++)
        memcpy(item->rows + i * item->columns, rows + i * columns, item->columns * sizeof *rows);
    if (item->normalised && !item->cut_last)
        embedding_normalise(item->rows, item->columns);
}

static void lane_run_native(struct lane *lane, struct item *const items[], size_t count)
{
    struct native_lane *native_lane = (struct native_lane *)lane;
    const struct native *native = native_of(lane->engine);
    bool tokens = items[0]->row_kind == ROWS_TOKENS, masks = items[0]->row_kind == ROWS_MASKS;
    size_t columns = (size_t)(tokens ? lane->engine->desc.token_columns : model_columns(native->model));
    size_t row_count = 0;
    struct batch batch;
    struct error err;
    arena_reset(&native_lane->arena);
    for (size_t i = 0; i < count; i++) {
        items[i]->error = ERR_NONE;
        row_count += masks ? 0 : items[i]->row_count; /* of masks as take_masks() is handed them */
    }
    float *rows = arena_alloc(&native_lane->arena, row_count * columns * sizeof *rows);
    bool ran = rows && make_batch(items, count, &native_lane->arena, &batch) &&
               model_run(native->model, &batch, native_lane->team, &native_lane->arena, rows,
                         native_lane->times, &err);
    for (size_t i = 0; i < count; i++) {
        if (!ran) {
            items[i]->error = ERR_NO_MEMORY;
        } else if (!masks) {
            take_rows(items[i], rows, columns);
            rows += items[i]->row_count * columns;
        }
    }
}

static void lane_measure_native(struct lane *lane, struct stage_times *times)
{
    ((struct native_lane *)lane)->times = times;
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
    .lane_measure = lane_measure_native,
    .close = close_native,
};

static enum task task_of(const struct model_config *config)
{
    if (config->sentence && config->sentence->is_sparse)
        return TASK_SPARSE_EMBEDDING;
    switch (config->head->kind) {
    case HEAD_TOKEN_CLASSIFICATION:
        return TASK_TOKEN_CLASSIFICATION;
    case HEAD_MASKED_LM:
        return TASK_FILL_MASK;
    case HEAD_NONE:
        return TASK_FEATURE_EXTRACTION;
    default:
        return TASK_TEXT_CLASSIFICATION;
    }
}

static int token_limit(const struct native *native)
{
    size_t most = (size_t)model_config(native->model)->max_tokens;
    const struct sentence *sentence = model_config(native->model)->sentence;
    size_t said = tokenizer_max_length(native->tokenizer);
    if (sentence && sentence->max_tokens)
        said = (size_t)sentence->max_tokens;
    return (int)(said && said < most ? said : most);
}

/* The task that is asked for, or the model's own. A classifier of sentence pairs can be both. */
static bool choose_task(const struct native *native, const char *asked, enum task *out, struct error *err)
{
    const struct head *head = model_config(native->model)->head;
    *out = task_of(model_config(native->model));
    if (asked) {
        enum task task = task_find(asked);
        if (task == *out || (task == TASK_ZERO_SHOT_CLASSIFICATION && head->kind == HEAD_CLASSIFICATION))
            *out = task;
        else
            return error_set(err, ERR_UNSUPPORTED_MODEL,
                             "the task \"%.60s\" is not one for a %s, which is made for %s", asked,
                             head->architecture, task_name(*out));
    }
    if (*out == TASK_FILL_MASK && tokenizer_special_id(native->tokenizer, SPECIAL_ID_MASK) < 0)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "the tokenizer has no \"mask_token\", which fill-mask needs");
    return (*out != TASK_FILL_MASK && *out != TASK_TOKEN_CLASSIFICATION) ||
           tokenizer_can_decode(native->tokenizer, err);
}

static void describe(struct native *native, const struct model_files *files, const struct kernels *kernels,
                     enum task task)
{
    const struct model_config *config = model_config(native->model);
    struct model_facts facts = model_facts(native->model);
    int32_t mask = tokenizer_special_id(native->tokenizer, SPECIAL_ID_MASK);
    native->engine.desc = (struct model_desc){
        .name = files->name,
        .engine = "native",
        .model_type = config->family->model_type,
        .architecture = config->head->architecture,
        .activation = config->activation_name,
        .task = task,
        .task_name = task_name(task),
        .columns = config->sentence ? config->sentence->kept : model_columns(native->model),
        .token_columns = model_token_columns(native->model),
        .sentence = config->sentence,
        .problem_type = config->problem_type,
        .label_count = config->label_count,
        .labels = config->labels,
        .mask_token = mask < 0 ? NULL : tokenizer_token(native->tokenizer, mask).text,
        .layers = config->layers,
        .hidden = config->hidden,
        .heads = config->heads,
        .intermediate = config->intermediate,
        .vocab_size = config->vocab_size,
        .token_operations = config_token_operations(config),
        .max_tokens = token_limit(native),
        .special_tokens = (int)tokenizer_special_count(native->tokenizer, false),
        .special_tokens_of_pair = (int)tokenizer_special_count(native->tokenizer, true),
        .precision = precision_name(facts.precision),
        .attention_precision = precision_name(facts.attention_precision),
        .stored = facts.stored,
        .isa = kernels->name,
        .parameters = facts.parameters,
        .packed_bytes = facts.packed_bytes,
        .mapped_bytes = facts.mapped_bytes,
    };
}

static bool load(struct native *native, const struct model_files *files, const struct kernels *kernels,
                 const struct model_options *options, int threads, struct error *err)
{
    struct team *team = team_start(threads, err);
    if (!team)
        return false;
    native->model = model_open(files, kernels, options, team, err);
    team_stop(team);
    if (!native->model)
        return false;
    const struct sentence *sentence = model_config(native->model)->sentence;
    const struct tokenizer_files tokenizer_files = {
        .json = files->tokenizer_json,
        .vocab = files->vocab,
        .vocab_json = files->vocab_json,
        .merges = files->merges,
        .config = files->tokenizer_config,
        .model_config = files->config,
        .lower_case = sentence && sentence->lower_case,
    };
    native->tokenizer = tokenizer_open(&tokenizer_files, err);
    return native->tokenizer != NULL;
}

/* The arithmetic that --precision asks for, *asked, which is NULL for auto. */
static bool choose_precision(const struct native_options *options, const struct kernels *kernels,
                             enum precision *out, const enum precision **asked, struct error *err)
{
    *asked = NULL;
    if (strcmp(options->precision, "auto") == 0)
        return true;
    for (int i = 0; i < PRECISION_COUNT; i++) {
        enum precision precision = (enum precision)i;
        if (strcmp(options->precision, precision_name(precision)) != 0)
            continue;
        if (!kernels->gemm[precision])
            return error_set(err, ERR_USAGE,
                             "precision %s: the %s path has no instruction for it, want auto, fp32 or int8",
                             options->precision, kernels->name);
        *out = precision;
        *asked = out;
        return true;
    }
    return error_set(err, ERR_USAGE, "precision \"%.40s\" is unknown, want auto, fp32, bf16 or int8",
                     options->precision);
}

bool native_check(const struct native_options *options, struct error *err)
{
    enum precision precision;
    const enum precision *asked;
    const struct kernels *kernels = kern_select(options->isa, err);
    return kernels && choose_precision(options, kernels, &precision, &asked, err) &&
           (!options->pooling || pooling_check(options->pooling, err));
}

struct engine *native_open(const struct model_files *files, const struct native_options *options,
                           struct error *err)
{
    enum precision precision;
    const enum precision *asked;
    const struct kernels *kernels = kern_select(options->isa, err);
    if (!kernels || !choose_precision(options, kernels, &precision, &asked, err))
        return NULL;
    struct native *native = calloc(1, sizeof *native);
    if (!native) {
        error_set(err, ERR_NO_MEMORY, "no memory to open %s", files->name);
        return NULL;
    }
    native->engine.operations = &operations;
    enum task task;
    const enum task asked_task = options->task ? task_find(options->task) : TASK_OTHER;
    const char *pooling = options->pooling;
    if (!pooling && asked_task == TASK_SPARSE_EMBEDDING)
        pooling = SPLADE_NAME;
    const struct model_options model_options = {
        .precision = asked,
        .features = asked_task == TASK_FEATURE_EXTRACTION,
        .pooling = pooling,
    };
    if (!load(native, files, kernels, &model_options, options->load_threads, err) ||
        !choose_task(native, options->task, &task, err)) {
        error_prefix(err, "%s", files->name);
        close_native(&native->engine);
        return NULL;
    }
    describe(native, files, kernels, task);
    return &native->engine;
}

const struct tokenizer *native_tokenizer(const struct engine *engine)
{
    return native_of(engine)->tokenizer;
}
