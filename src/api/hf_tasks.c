#include "api/hf_tasks.h"

#include <stdio.h>
#include <string.h>

#include "api/fields.h"
#include "api/internal.h"
#include "api/task_json.h"
#include "engine/zero_shot.h"

enum { KEPT_SCRATCH_BYTES = 1 << 20 };

/* What a request asks besides its texts. Lives in the call's arena, as all that it points to. */
struct task_request {
    struct entity_options entities;
    struct fill_options fill;
    struct label_list targets;
    struct candidates candidates;
    const char *template;
    size_t template_length;
    size_t text_count;
};

static bool no_memory(struct error *err)
{
    return error_set(err, ERR_NO_MEMORY, "no memory for the request");
}

/* --- Parameters */

struct parameter {
    const char *name;
    bool (*read)(yyjson_val *value, struct call *call, struct error *err);
};

static bool refuse_parameter(const char *name, yyjson_val *value, const char *want, struct error *err)
{
    char words[JSON_WORDS_SIZE];
    return error_set(err, ERR_BAD_INPUT, "the parameter \"%s\" is %s%.60s, want %s", name,
                     yyjson_is_str(value) ? "" : json_value_words(value, words),
                     yyjson_is_str(value) ? yyjson_get_str(value) : "", want);
}

/* A parameter of the pipeline that changes what is computed. Unset, it changes nothing. */
static bool refuse_unsupported(yyjson_val *value, const char *name, struct error *err)
{
    if (yyjson_is_null(value) || yyjson_is_false(value))
        return true;
    return error_set(err, ERR_BAD_INPUT,
                     "the parameter \"%s\" is not supported by the native engine: leave it out, or serve the "
                     "model with --engine python",
                     name);
}

static bool read_parameter(yyjson_val *key, yyjson_val *value, const struct parameter *known,
                           struct call *call, struct error *err)
{
    for (const struct parameter *parameter = known; parameter->name; parameter++)
        if (yyjson_equals_str(key, parameter->name))
            return parameter->read(value, call, err);
    error_set(err, ERR_BAD_INPUT, "the parameter \"%.60s\" is unknown, want", yyjson_get_str(key));
    for (const struct parameter *parameter = known; parameter->name; parameter++) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, "%s %s", parameter == known ? "" : " or",
                 parameter->name);
    }
    return false;
}

static bool read_parameters(yyjson_val *root, const struct parameter *known, struct call *call,
                            struct error *err)
{
    yyjson_val *parameters = yyjson_obj_get(root, "parameters"), *key, *value;
    size_t index, count;
    if (!parameters || yyjson_is_null(parameters))
        return true;
    if (!yyjson_is_obj(parameters))
        return error_set(err, ERR_BAD_INPUT, "the field \"parameters\" is %s, want an object",
                         json_type_words(parameters));
    yyjson_obj_foreach (parameters, index, count, key, value) {
        if (!read_parameter(key, value, known, call, err))
            return false;
    }
    return true;
}

static const char *copy_text(yyjson_val *text, struct call *call, size_t *length, struct error *err)
{
    const char *copy = arena_strndup(&call->arena, yyjson_get_str(text), yyjson_get_len(text));
    *length = yyjson_get_len(text);
    if (!copy)
        no_memory(err);
    return copy;
}

static bool start_list(size_t count, struct call *call, struct label_list *out, struct error *err)
{
    *out = (struct label_list){arena_alloc(&call->arena, count * sizeof *out->labels),
                               arena_alloc(&call->arena, count * sizeof *out->lengths), count};
    return (out->labels && out->lengths) || no_memory(err);
}

/* A list of strings; `want` says so in messages. */
static bool read_list(yyjson_val *list, const char *name, const char *want, struct call *call,
                      struct label_list *out, struct error *err)
{
    size_t index, count;
    yyjson_val *text;
    if (!yyjson_is_arr(list))
        return refuse_parameter(name, list, want, err);
    if (!start_list(yyjson_arr_size(list), call, out, err))
        return false;
    yyjson_arr_foreach (list, index, count, text) {
        if (!yyjson_is_str(text))
            return error_set(err, ERR_BAD_INPUT, "the parameter \"%s\" holds %s, want %s", name,
                             json_type_words(text), want);
        out->labels[index] = copy_text(text, call, &out->lengths[index], err);
        if (!out->labels[index])
            return false;
    }
    return true;
}

/* --- Inputs */

static bool start_request(struct call *call, struct error *err)
{
    struct task_request *request = arena_calloc(&call->arena, 1, sizeof *request);
    if (!request)
        return no_memory(err);
    call->request = request;
    return true;
}

static yyjson_val *nth_input(yyjson_val *inputs, size_t index)
{
    return yyjson_is_arr(inputs) ? yyjson_arr_get(inputs, index) : inputs;
}

/* Reads a string or a list of strings, of which each becomes `items` items with the same text. */
static bool read_texts(yyjson_val *root, size_t items, struct call *call, struct error *err)
{
    yyjson_val *inputs = yyjson_obj_get(root, "inputs");
    if (!inputs)
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"inputs\" is missing, want {\"inputs\": \"a text\"}");
    if (!yyjson_is_str(inputs) && !yyjson_is_arr(inputs))
        return error_set(err, ERR_BAD_INPUT, "the field \"inputs\" is %s, want a string or a list of strings",
                         json_type_words(inputs));
    call->reply.is_list = yyjson_is_arr(inputs);
    const size_t texts = call->reply.is_list ? yyjson_arr_size(inputs) : 1;
    const size_t most = call->api->options.max_texts;
    call->request->text_count = texts;
    call->items_per_text = items;
    if (items > 1 && texts > most / items)
        return error_set(err, ERR_TOO_MANY,
                         "%zu texts with %zu labels each are %zu pairs, at most %zu may come in one request",
                         texts, items, texts * items, most);
    if (!call_set_count(call, texts * items, "inputs", err))
        return false;
    for (size_t i = 0; i < texts; i++) {
        char field[48] = "the field \"inputs\"";
        if (call->reply.is_list)
            snprintf(field, sizeof field, "the field \"inputs[%zu]\"", i);
        if (!call_add_text(call, i * items, false, nth_input(inputs, i), field, err))
            return false;
        for (size_t j = 1; j < items; j++)
            call->inputs[i * items + j] = call->inputs[i * items];
    }
    return true;
}

/* --- Token classification */

static bool read_aggregation(yyjson_val *value, struct call *call, struct error *err)
{
    if (yyjson_is_null(value) ||
        (yyjson_is_str(value) && aggregation_parse(yyjson_get_str(value), yyjson_get_len(value),
                                                   &call->request->entities.aggregation)))
        return true;
    return refuse_parameter("aggregation_strategy", value,
                            "\"none\", \"simple\", \"first\", \"average\" or \"max\"", err);
}

static bool read_ignored(yyjson_val *value, struct call *call, struct error *err)
{
    struct label_list list = {0};
    if (yyjson_is_null(value))
        return true;
    if (!read_list(value, "ignore_labels", "a list of labels", call, &list, err))
        return false;
    call->request->entities.ignored = list.labels;
    call->request->entities.ignored_count = list.count;
    return true;
}

static bool read_stride(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return refuse_unsupported(value, "stride", err);
}

static bool read_is_split(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return refuse_unsupported(value, "is_split_into_words", err);
}

static bool read_delimiter(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return refuse_unsupported(value, "delimiter", err);
}

static bool read_offset_mapping(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return refuse_unsupported(value, "offset_mapping", err);
}

static const struct parameter entity_parameters[] = {
    {"aggregation_strategy", read_aggregation},
    {"ignore_labels", read_ignored},
    {"stride", read_stride},
    {"is_split_into_words", read_is_split},
    {"delimiter", read_delimiter},
    {"offset_mapping", read_offset_mapping},
    {NULL, NULL},
};

static bool entities_read(yyjson_val *root, struct call *call, struct error *err)
{
    if (!start_request(call, err))
        return false;
    call->request->entities = ENTITY_DEFAULTS;
    call->prepare.rows = ROWS_TOKENS;
    call->prepare.places = true;
    call->prepare.cuts_unasked = true;
    return read_texts(root, 1, call, err) && read_parameters(root, entity_parameters, call, err);
}

static bool put_text_entities(const struct call *call, size_t index, struct buf *out, struct arena *scratch,
                              struct error *err)
{
    return put_entities(out, call->engine, &call->inputs[index], &call->items[index],
                        &call->request->entities, scratch, err);
}

/* --- Fill-mask */

static bool read_top_k(yyjson_val *value, struct call *call, struct error *err)
{
    const uint64_t most = (uint64_t)call_model(call)->vocab_size;
    uint64_t number;
    if (yyjson_is_null(value))
        return true;
    if (!field_whole(value, &number) || number == 0 || number > most) {
        char want[80];
        snprintf(want, sizeof want, "a whole number from 1 to %llu, the vocabulary's size",
                 (unsigned long long)most);
        return refuse_parameter("top_k", value, want, err);
    }
    call->request->fill.top_k = (size_t)number;
    return true;
}

static bool read_targets(yyjson_val *value, struct call *call, struct error *err)
{
    struct label_list *list = &call->request->targets;
    if (yyjson_is_null(value))
        return true;
    if (yyjson_is_str(value)) {
        if (!start_list(1, call, list, err) || !(*list->labels = copy_text(value, call, list->lengths, err)))
            return false;
    } else if (!read_list(value, "targets", "a string or a list of strings", call, list, err)) {
        return false;
    }
    if (list->count == 0)
        return error_set(err, ERR_BAD_INPUT, "the parameter \"targets\" is an empty list, want a target");
    for (size_t i = 0; i < list->count; i++)
        call->more_bytes += list->lengths[i] + CALL_BYTES_A_TEXT;
    return true;
}

/* Targets are tokenized as texts are. */
static bool find_targets(struct call *call, struct error *err)
{
    const struct label_list *list = &call->request->targets;
    struct fill_options *fill = &call->request->fill;
    if (list->count == 0)
        return true;
    int32_t *ids = arena_alloc(&call->arena, list->count * sizeof *ids);
    if (!ids)
        return no_memory(err);
    for (size_t i = 0; i < list->count; i++)
        if (!fill_mask_find_target(call->engine, list->labels[i], list->lengths[i], &call->arena, &ids[i],
                                   err))
            return false;
    fill->targets = ids;
    fill->target_count = fill_mask_unique(ids, list->count);
    if (fill->top_k > fill->target_count)
        fill->top_k = fill->target_count;
    return true;
}

static bool read_tokenizer_kwargs(yyjson_val *value, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *key, *item, *cut = yyjson_obj_get(value, "truncation");
    uint64_t tokens = 0;
    if (yyjson_is_null(value))
        return true;
    if (!yyjson_is_obj(value))
        return refuse_parameter("tokenizer_kwargs", value, "an object", err);
    yyjson_obj_foreach (value, index, count, key, item) {
        bool known = yyjson_equals_str(key, "truncation")
                         ? yyjson_is_bool(item)
                         : yyjson_equals_str(key, "max_length") && field_whole(item, &tokens) && tokens;
        if (!known)
            return error_set(err, ERR_BAD_INPUT,
                             "the parameter \"tokenizer_kwargs\" has \"%.60s\" as %s, want \"truncation\" as "
                             "true or false, or \"max_length\" as a number of tokens",
                             yyjson_get_str(key), json_type_words(item));
    }
    call->prepare.max_tokens = (size_t)tokens;
    if (cut)
        call->prepare.truncate = yyjson_get_bool(cut);
    else if (tokens)
        call->prepare.truncate = true;
    return true;
}

static const struct parameter fill_parameters[] = {
    {"top_k", read_top_k},
    {"targets", read_targets},
    {"tokenizer_kwargs", read_tokenizer_kwargs},
    {NULL, NULL},
};

static bool fillings_read(yyjson_val *root, struct call *call, struct error *err)
{
    if (!start_request(call, err))
        return false;
    struct fill_options *fill = &call->request->fill;
    const size_t vocabulary = (size_t)call_model(call)->vocab_size;
    fill->top_k = FILL_MASK_TOP_K < vocabulary ? FILL_MASK_TOP_K : vocabulary;
    call->prepare.rows = ROWS_MASKS;
    call->prepare.fill = fill;
    call->prepare_first = find_targets;
    if (!read_texts(root, 1, call, err) || !read_parameters(root, fill_parameters, call, err))
        return false;
    /* The pipeline's own: a list of one text is answered as that text. */
    call->reply.is_list = call->reply.is_list && call->request->text_count > 1;
    return true;
}

static bool put_text_fillings(const struct call *call, size_t index, struct buf *out, struct arena *scratch,
                              struct error *err)
{
    (void)scratch;
    return put_fillings(out, call->engine, &call->items[index], &call->job.cancelled, err);
}

/* --- Zero-shot classification */

static bool read_candidate_labels(yyjson_val *value, struct call *call, struct error *err)
{
    static const char want[] = "a list of labels, or a string of labels with commas between";
    struct candidates *candidates = &call->request->candidates;
    struct label_list list = {0};
    if (yyjson_is_str(value)) {
        if (!zero_shot_split(yyjson_get_str(value), yyjson_get_len(value), &call->arena, &list, err))
            return false;
    } else if (!read_list(value, "candidate_labels", want, call, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < list.count; i++)
        if (list.lengths[i] == 0)
            return error_set(err, ERR_BAD_INPUT, "the parameter \"candidate_labels\" has an empty label");
    candidates->labels = list.labels;
    candidates->lengths = list.lengths;
    candidates->count = list.count;
    return true;
}

static bool read_template(yyjson_val *value, struct call *call, struct error *err)
{
    struct task_request *request = call->request;
    if (yyjson_is_null(value))
        return true;
    if (!yyjson_is_str(value))
        return refuse_parameter("hypothesis_template", value, "a string with {} for the label", err);
    request->template = copy_text(value, call, &request->template_length, err);
    return request->template != NULL;
}

static bool read_multi_label(yyjson_val *value, struct call *call, struct error *err)
{
    if (!yyjson_is_null(value) && !yyjson_is_bool(value))
        return refuse_parameter("multi_label", value, "true or false", err);
    call->request->candidates.multi = yyjson_get_bool(value);
    return true;
}

static const struct parameter candidate_parameters[] = {
    {"candidate_labels", read_candidate_labels},
    {"hypothesis_template", read_template},
    {"multi_label", read_multi_label},
    {NULL, NULL},
};

static bool make_hypotheses(struct call *call, struct error *err)
{
    const struct task_request *request = call->request;
    const struct candidates *candidates = &request->candidates;
    for (size_t text = 0; text < request->text_count; text++)
        if (call->inputs[text * candidates->count].text_length == 0)
            return error_set(err, ERR_BAD_INPUT, "a text is empty, want one to compare with the labels");
    for (size_t i = 0; i < candidates->count; i++) {
        const char *hypothesis;
        size_t length;
        if (!zero_shot_hypothesis(request->template, request->template_length, candidates->labels[i],
                                  candidates->lengths[i], &call->arena, &hypothesis, &length, err))
            return false;
        for (size_t text = 0; text < request->text_count; text++) {
            struct input *input = &call->inputs[text * candidates->count + i];
            input->pair = hypothesis;
            input->pair_length = length;
        }
    }
    return true;
}

static bool candidates_read(yyjson_val *root, struct call *call, struct error *err)
{
    if (!start_request(call, err))
        return false;
    struct task_request *request = call->request;
    request->template = ZERO_SHOT_TEMPLATE;
    request->template_length = strlen(ZERO_SHOT_TEMPLATE);
    call->prepare.strategy = TRUNCATE_ONLY_FIRST;
    call->prepare.cuts_unasked = true;
    if (!read_parameters(root, candidate_parameters, call, err))
        return false;
    if (request->candidates.count == 0)
        return error_set(err, ERR_BAD_INPUT,
                         "the parameter \"candidate_labels\" is missing or empty, want labels such as "
                         "{\"parameters\": {\"candidate_labels\": [\"sports\", \"politics\"]}}");
    if (!read_texts(root, request->candidates.count, call, err))
        return false;
    for (size_t i = 0; i < request->candidates.count; i++)
        call->more_bytes += (request->template_length + request->candidates.lengths[i]) * request->text_count;
    call->prepare_first = make_hypotheses;
    return true;
}

static bool put_text_candidates(const struct call *call, size_t index, struct buf *out, struct arena *scratch,
                                struct error *err)
{
    const struct task_request *request = call->request;
    const size_t first = index * request->candidates.count;
    return put_candidates(out, call->engine, &call->inputs[first], &call->items[first], &request->candidates,
                          scratch, err);
}

/* --- All */

static const struct task_form forms[] = {
    {TASK_TOKEN_CLASSIFICATION, entities_read, put_text_entities},
    {TASK_FILL_MASK, fillings_read, put_text_fillings},
    {TASK_ZERO_SHOT_CLASSIFICATION, candidates_read, put_text_candidates},
};

const struct task_form *task_form_find(enum task task)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].task == task)
            return &forms[i];
    return NULL;
}

void task_form_write(const struct task_form *form, const struct call *call, struct buf *out)
{
    struct error err;
    struct arena scratch;
    arena_init(&scratch, KEPT_SCRATCH_BYTES, SIZE_MAX);
    if (call->reply.is_list)
        buf_putc(out, '[');
    for (size_t i = 0; i < call->request->text_count && call_is_wanted(call) && buf_ok(out); i++) {
        if (i)
            buf_putc(out, ',');
        arena_reset(&scratch);
        /* What can fail here is memory alone, and a failed buffer says so. */
        if (!form->put(call, i, out, &scratch, &err))
            out->failed = true;
    }
    arena_free(&scratch);
    if (call->reply.is_list)
        buf_putc(out, ']');
}
