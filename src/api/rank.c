#include "api/rank.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/internal.h"

bool rank_begin(struct call *call, struct error *err)
{
    const struct model_desc *desc = call_model(call);
    if (!serves_ranks(desc))
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "%.100s is no reranker: that is a text classification model with one label, which the "
            "native engine runs, and this one is for %s with %d labels",
            api_model_name(call->api), desc->task_name, desc->label_count);
    call->reply.function = SCORE_SIGMOID;
    call->reply.top_n = SIZE_MAX;
    call->reply.is_list = true;
    return true;
}

static bool add_pair(struct call *call, size_t index, yyjson_val *text, const char *name, struct error *err)
{
    char field[60];
    snprintf(field, sizeof field, "the field \"%s[%zu]\"", name, index);
    if (yyjson_is_obj(text)) {
        text = yyjson_obj_get(text, "text");
        if (!text)
            return error_set(err, ERR_BAD_INPUT, "%s is an object without \"text\"", field);
    }
    /* The query's bytes are shared, but they are tokenized with each text. */
    call->inputs[index].text = call->inputs[0].text;
    call->inputs[index].text_length = call->inputs[0].text_length;
    return call_add_text(call, index, true, text, field, err);
}

bool rank_read_pairs(yyjson_val *query, yyjson_val *texts, const char *name, struct call *call,
                     struct error *err)
{
    size_t index, count;
    yyjson_val *text;
    if (!query)
        return error_set(err, ERR_BAD_INPUT, "the field \"query\" is missing");
    if (!yyjson_is_arr(texts))
        return error_set(err, ERR_BAD_INPUT, "the field \"%s\" is %s, want a list of texts", name,
                         texts ? json_type_words(texts) : "missing");
    if (!call_set_count(call, yyjson_arr_size(texts), name, err) ||
        !call_add_text(call, 0, false, query, "the field \"query\"", err))
        return false;
    yyjson_arr_foreach (texts, index, count, text)
        if (!add_pair(call, index, text, name, err))
            return false;
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

const struct ranked *rank_sort(struct call *call, size_t *shown)
{
    size_t count = call->count;
    struct ranked *ranks = arena_alloc(&call->arena, count * sizeof *ranks);
    if (!ranks)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        ranks[i].index = i;
        score_apply(call_model(call), call->reply.function, call->items[i].rows, &ranks[i].score);
    }
    qsort(ranks, count, sizeof *ranks, compare);
    *shown = call->reply.top_n < count ? call->reply.top_n : count;
    return ranks;
}
