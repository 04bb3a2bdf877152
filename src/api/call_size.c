/* How much a call is, which decides where it is prepared and written, and how much it may be. */
#include <stdio.h>
#include <string.h>

#include "api/internal.h"

enum {
    BYTES_AN_ID = 4,

    /* Of answers, about: an element of an embedding with its comma, in base64, a label with its score, one
     * of a sparse embedding with its index, and what stands around a sequence that fill-mask has made. */
    BYTES_A_NUMBER = 12,
    BYTES_A_NUMBER_IN_BASE64 = 6,
    BYTES_A_LABEL = 48,
    BYTES_A_SPARSE_VALUE = 40,
    BYTES_A_ZERO = 2, /* of a sparse embedding that is written whole */
    BYTES_A_PREDICTION = 64,

    /* The limit of a call's arena, and of what tokenizing takes beside it for a while (tokenizer.h): there
     * one text of the largest body needs 60 bytes a byte where it is one word of a BPE model, 100 more with
     * places, and chunks are not quite full. Itself, ids, type ids and places that last are 18. */
    ARENA_BYTES_A_BODY_BYTE = 256,
    ARENA_BASE_BYTES = 1 << 20,
    /* A row in the arena is 4 bytes a number. */
    ANSWER_BYTES_A_BODY_BYTE = 512,
    ANSWER_BASE_BYTES = 1 << 20,
};

static size_t to_mib(size_t bytes)
{
    return bytes >> 20;
}

size_t call_most_arena_bytes(const struct api *api)
{
    return ARENA_BASE_BYTES + ARENA_BYTES_A_BODY_BYTE * api->options.max_body_bytes;
}

size_t call_most_answer_bytes(const struct api *api)
{
    return ANSWER_BASE_BYTES + ANSWER_BYTES_A_BODY_BYTE * api->options.max_body_bytes;
}

size_t call_text_bytes(const struct call *call)
{
    const size_t prompt = call->prepare.prompt ? strlen(call->prepare.prompt) : 0;
    size_t bytes = call->more_bytes;
    for (size_t i = 0; i < call->count; i++) {
        const struct input *input = &call->inputs[i];
        bytes += CALL_BYTES_A_TEXT + input->text_length + input->pair_length + input->json_length +
                 (input->ids ? input->id_count * BYTES_AN_ID : prompt);
    }
    return bytes;
}

/* The sequence of a prediction is about as long as the text, or what was kept of it. */
static size_t sequence_bytes(const struct call *call, size_t index)
{
    const struct item *item = &call->items[index];
    return BYTES_A_PREDICTION + call->inputs[index].text_length * item->length / item->full_length;
}

static size_t item_bytes(const struct call *call, size_t index)
{
    const struct item *item = &call->items[index];
    const bool embeds = call_model(call)->task == TASK_FEATURE_EXTRACTION;
    if (item->answer)
        return item->answer_length;
    if (item->sparse)
        return item->sparse_count * BYTES_A_SPARSE_VALUE + item->columns * BYTES_A_ZERO;
    if (item->row_kind == ROWS_MASKS)
        return item->row_count * item->fill->top_k * sequence_bytes(call, index);
    return item->row_count * item->columns *
           (!embeds                 ? BYTES_A_LABEL
            : call->reply.is_base64 ? BYTES_A_NUMBER_IN_BASE64
                                    : BYTES_A_NUMBER);
}

size_t call_answer_bytes(const struct call *call)
{
    size_t bytes = 0;
    for (size_t i = 0; i < call->count; i++) {
        bytes += item_bytes(call, i);
        if (call->reply.returns_texts)
            bytes += call->inputs[i].pair_length;
    }
    return bytes;
}

static bool refuse_predictions(const struct call *call, size_t bytes, size_t most, struct error *err)
{
    const size_t top_k = call->prepare.fill->top_k, fits = top_k * most / bytes;
    size_t masks = 0;
    for (size_t i = 0; i < call->count; i++)
        masks += call->items[i].row_count;
    error_set(
        err, ERR_TOO_LARGE,
        "the answer would have about %zu MiB, %zu sequences for each of %zu masks, and may have %zu MiB: ",
        to_mib(bytes), top_k, masks, to_mib(most));
    char *end = err->message + strlen(err->message);
    const size_t room = sizeof err->message - strlen(err->message);
    if (fits > 0)
        snprintf(end, room, "ask for a top_k of at most %zu, or send fewer masks in a request", fits);
    else
        snprintf(end, room, "send fewer masks in a request");
    return false;
}

bool call_answer_fits(const struct call *call, struct error *err)
{
    const size_t most = call_most_answer_bytes(call->api);
    const bool masks = call->prepare.rows == ROWS_MASKS;
    /* Of the others it is not known well before they are written, and few can be so large. */
    if (!masks && (call->prepare.rows != ROWS_TOKENS || call_model(call)->task != TASK_FEATURE_EXTRACTION))
        return true;
    const size_t bytes = call_answer_bytes(call);
    if (bytes <= most)
        return true;
    if (masks)
        return refuse_predictions(call, bytes, most, err);
    return error_set(err, ERR_TOO_LARGE,
                     "the answer to %zu texts would have about %zu MiB, and may have %zu MiB: send at most "
                     "about %zu such texts in a request",
                     call->count, to_mib(bytes), to_mib(most), call->count * most / bytes);
}

void call_blame_limit(const struct call *call, size_t prepared, struct error *err)
{
    const size_t per_text = call->items_per_text ? call->items_per_text : 1;
    const char *also = call->prepare.rows == ROWS_MASKS ? ", or ask for a smaller top_k" : "";
    if (err->kind != ERR_NO_MEMORY || !call->arena.refused)
        return;
    if (prepared < per_text)
        error_set(err, ERR_TOO_LARGE,
                  "the request needs more than the %zu MiB of memory that one may take: send less text in a "
                  "request%s",
                  to_mib(call->arena.limit), also);
    else
        error_set(err, ERR_TOO_LARGE,
                  "%zu texts with their results need more than the %zu MiB of memory that one request may "
                  "take, the first %zu fit: send fewer in a request%s",
                  call->count / per_text, to_mib(call->arena.limit), prepared / per_text, also);
}

void call_say_unwritten(const struct call *call, struct error *err)
{
    if (call->body.overfull) {
        error_set(
            err, ERR_TOO_LARGE,
            "the answer to %zu texts has more than the %zu MiB that one may have: send fewer texts in a "
            "request",
            call->count / (call->items_per_text ? call->items_per_text : 1), to_mib(call->body.limit));
        return;
    }
    error_set(err, ERR_NO_MEMORY, "no memory for the answer");
    call_blame_limit(call, 0, err);
}
