#include "api/call.h"

#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/log.h"

enum {
    /* {"inputs": [{"text": ...}]} nests three levels. */
    REQUEST_DEPTH = 16,
    KEPT_CALL_BYTES = 64 << 10,
    KEPT_CALLS = 64,
    /* A larger answer is written on a helper thread: this one takes half a millisecond. */
    INLINE_ANSWER_BYTES = 64 << 10,
};

const struct model_desc *call_model(const struct call *call)
{
    return &call->engine->desc;
}

const char *call_model_name(const struct call *call)
{
    const char *name = call->api->options.model_name;
    return name ? name : call_model(call)->name;
}

bool call_is_wanted(const struct call *call)
{
    return !atomic_load_explicit(&call->job.cancelled, memory_order_relaxed);
}

/* The job is all items: before the first part of them was submitted, and after the last. */
static void take_all(struct call *call)
{
    call->job.items = call->items;
    call->job.count = call->count;
}

/* --- What operations use */

bool call_set_count(struct call *call, size_t count, const char *field, struct error *err)
{
    size_t most = call->route->operation->splits_lists ? MAX_SPLIT_TEXTS : call->api->options.max_texts;
    if (count == 0)
        return error_set(err, ERR_EMPTY_INPUT, "the field \"%s\" is an empty list, want at least one text",
                         field);
    if (count > most)
        return error_set(err, ERR_TOO_MANY,
                         "the field \"%s\" has %zu texts, at most %zu may come in one request", field, count,
                         most);
    call->field = field;
    call->inputs = arena_calloc(&call->arena, count, sizeof *call->inputs);
    call->items = arena_calloc(&call->arena, count, sizeof *call->items);
    if (!call->inputs || !call->items)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu texts", count);
    call->count = count;
    take_all(call);
    return true;
}

bool call_add_bytes(struct call *call, size_t index, bool pair, const char *text, size_t length,
                    struct error *err)
{
    char *copy = arena_strndup(&call->arena, text, length);
    if (!copy)
        return error_set(err, ERR_NO_MEMORY, "no memory for a text of %zu bytes", length);
    struct input *input = &call->inputs[index];
    if (pair) {
        input->pair = copy;
        input->pair_length = length;
    } else {
        input->text = copy;
        input->text_length = length;
    }
    return true;
}

bool call_add_text(struct call *call, size_t index, bool pair, yyjson_val *text, const char *field,
                   struct error *err)
{
    if (!yyjson_is_str(text))
        return error_set(err, ERR_BAD_INPUT, "%s is or holds %s where a string is wanted", field,
                         json_type_words(text));
    return call_add_bytes(call, index, pair, yyjson_get_str(text), yyjson_get_len(text), err);
}

void call_put_labels(const struct call *call, size_t index, enum score_function function, int count,
                     struct buf *out)
{
    const struct model_desc *desc = call_model(call);
    score_apply(desc, function, call->job.items[index].rows, call->scores);
    score_rank(call->scores, desc->label_count, call->order, count);
    for (int i = 0; i < count; i++) {
        const char *label = desc->labels[call->order[i]];
        buf_puts(out, i ? ",{\"label\":" : "{\"label\":");
        json_put_string(out, label, strlen(label));
        buf_puts(out, ",\"score\":");
        json_put_float(out, call->scores[call->order[i]]);
        buf_putc(out, '}');
    }
}

/* --- Life */

struct call *call_new(struct api *api, struct http_exchange *x, const struct route *route)
{
    struct call *call = api->free_calls;
    if (call) {
        api->free_calls = call->next_free;
        api->free_count--;
    } else {
        call = calloc(1, sizeof *call);
        if (!call)
            return NULL;
        arena_init(&call->arena, KEPT_CALL_BYTES, call_most_arena_bytes(api));
    }
    struct arena arena = call->arena;
    *call = (struct call){.api = api,
                          .engine = sched_engine(api->sched),
                          .x = x,
                          .route = route,
                          .arena = arena,
                          .begin_ns = clock_ns()};
    call->prepare.truncate = api->options.auto_truncate;
    atomic_init(&call->job.cancelled, false);
    api->open_calls++;
    http_set_user(x, call);
    return call;
}

/* Gives a call back that nobody else holds. */
static void release(struct call *call)
{
    struct api *api = call->api;
    for (size_t i = 0; i < call->count; i++)
        free(call->items[i].answer);
    free(call->sparse_room);
    buf_free(&call->body);
    api->open_calls--;
    if (api->free_count == KEPT_CALLS) {
        call_free(call);
        return;
    }
    arena_reset(&call->arena);
    call->next_free = api->free_calls;
    api->free_calls = call;
    api->free_count++;
}

void call_free(struct call *call)
{
    arena_free(&call->arena);
    free(call);
}

/* The exchange that still waits for this call, parted from it; NULL where it has ended. */
static struct http_exchange *part(struct call *call)
{
    struct http_exchange *x = call->x;
    call->x = NULL;
    if (x)
        http_set_user(x, NULL);
    return x;
}

static void fail(struct call *call, const struct error *err)
{
    struct http_exchange *x = part(call);
    const struct route *route = call->route;
    tei_count_failure(&call->api->tei, err->kind);
    release(call);
    if (x)
        answer_error(x, route->dialect, err);
}

void call_expire(struct call *call)
{
    struct error err;
    struct http_exchange *x = part(call);
    atomic_store(&call->job.cancelled, true);
    error_set(&err, ERR_DEADLINE, "no answer within %u ms", call->api->options.deadline_ms);
    tei_count_failure(&call->api->tei, ERR_DEADLINE);
    answer_error(x, call->route->dialect, &err);
}

void call_detach(struct call *call)
{
    call->x = NULL;
    atomic_store(&call->job.cancelled, true);
}

/* --- The way: read, prepare, submit, finish */

/* Says in front of an error which of several texts it is about. */
static void name_text(const struct call *call, size_t index, struct error *err)
{
    if (call->reply.has_source && index == 0)
        error_prefix(err, "source_sentence");
    else
        error_prefix(err, "%s[%zu]", call->field, index - call->reply.has_source);
}

/* An engine's own words about item `index`. */
static bool fail_with_answer(const struct call *call, size_t index, struct error *err)
{
    const struct item *item = &call->items[index];
    error_set(err, item->error, "%s", item->answer);
    if (item->error == ERR_LOADING)
        err->retry_ms = 1000;
    else if (call->count > 1)
        name_text(call, index, err);
    return false;
}

/* The error of the first item that has one, in words. */
static bool items_are_sound(const struct call *call, struct error *err)
{
    for (size_t i = 0; i < call->submitted; i++) {
        const struct item *item = &call->items[i];
        if (item->error != ERR_NONE && item->answer)
            return fail_with_answer(call, i, err);
        switch (item->error) {
        case ERR_NONE:
            continue;
        case ERR_DEADLINE:
            return error_set(err, ERR_DEADLINE, "no answer within %u ms", call->api->options.deadline_ms);
        case ERR_NON_FINITE:
            return error_set(err, ERR_NON_FINITE, "the model's output for text %zu is NaN or infinite", i);
        default:
            return error_set(err, item->error, "computing text %zu failed: %s", i,
                             error_kind_name(item->error));
        }
    }
    return true;
}

/* Any thread. */
static void write_answer(struct call *call)
{
    buf_init_limited(&call->body, call_most_answer_bytes(call->api));
    call->route->operation->write(call, &call->body);
}

static void send_answer(struct call *call)
{
    struct error err;
    struct answer_fields fields;
    if (!call->x) {
        release(call);
        return;
    }
    if (!buf_ok(&call->body)) {
        call_say_unwritten(call, &err);
        fail(call, &err);
        return;
    }
    answer_fields_set(call, &fields);
    tei_count_success(&call->api->tei, call);
    const char *type = call->json_length ? "application/octet-stream" : "application/json";
    struct http_exchange *x = part(call);
    struct buf body = call->body;
    buf_init(&call->body);
    release(call);
    http_respond(x, 200, type, fields.fields, fields.count, &body);
}

static struct call *call_of_helper(struct http_job *job)
{
    return (struct call *)((char *)job - offsetof(struct call, helper_job));
}

static void write_work(struct http_job *job)
{
    write_answer(call_of_helper(job));
}

static void write_done(struct http_job *job)
{
    send_answer(call_of_helper(job));
}

static void answer_call(struct call *call)
{
    struct error err;
    const size_t bytes = call_answer_bytes(call);
    take_all(call);
    if (bytes <= INLINE_ANSWER_BYTES) {
        write_answer(call);
        send_answer(call);
        return;
    }
    call->helper_job = (struct http_job){.work = write_work, .done = write_done};
    if (!http_offload(call->api->server, &call->helper_job)) {
        error_set(&err, ERR_NO_MEMORY, "no memory to write an answer of about %zu bytes", bytes);
        fail(call, &err);
    }
}

/* How many items are on their way together, at most. */
static size_t part_size(const struct call *call)
{
    return call->count < call->api->options.max_texts ? call->count : call->api->options.max_texts;
}

/* Sparse embeddings of a part may be as long as the vocabulary, and are far shorter: a part computes into
 * room for the longest, of which it touches what it fills. */
static bool make_sparse_room(struct call *call, struct error *err)
{
    if (!serves_sparse(call_model(call)) || call->route->operation->answer_item)
        return true;
    size_t columns = (size_t)call_model(call)->columns;
    call->sparse_room = malloc(part_size(call) * columns * sizeof *call->sparse_room);
    return call->sparse_room || error_set(err, ERR_NO_MEMORY, "no memory for %zu texts", call->count);
}

/* The next part takes the room of the one that is back. */
static bool keep_sparse(struct call *call, struct error *err)
{
    for (size_t i = 0; call->sparse_room && i < call->job.count; i++) {
        struct item *item = &call->job.items[i];
        struct sparse_value *kept = arena_alloc(&call->arena, item->sparse_count * sizeof *kept);
        if (!kept)
            return error_set(err, ERR_NO_MEMORY, "no memory for %zu sparse embeddings", call->count);
        memcpy(kept, item->sparse, item->sparse_count * sizeof *kept);
        item->sparse = kept;
    }
    return true;
}

/* Hands over the next items: a list over the limit goes in parts, one after the other, so that what waits of
 * one client is never more than the limit. */
static void submit_part(struct call *call)
{
    struct error err;
    size_t left = call->count - call->submitted, most = call->api->options.max_texts;
    if (!call->api->sched) {
        error_set(&err, ERR_SHUTTING_DOWN, "the server is shutting down and takes no new requests");
        fail(call, &err);
        return;
    }
    call->job.items = call->items + call->submitted;
    call->job.count = left < most ? left : most;
    call->submitted += call->job.count;
    if (!sched_submit(call->api->sched, &call->job, &err)) {
        call->submitted -= call->job.count;
        fail(call, &err);
    }
}

/* Loop thread: the job is back. */
static void finish(struct http_task *task)
{
    struct call *call = (struct call *)((char *)task - offsetof(struct call, finish));
    struct error err;
    call->queue_ns += atomic_load(&call->job.queue_ns);
    call->compute_ns += atomic_load(&call->job.compute_ns);
    if (!call->x)
        release(call);
    else if (!items_are_sound(call, &err))
        fail(call, &err);
    else if (call->submitted == call->count)
        answer_call(call);
    else if (!keep_sparse(call, &err))
        fail(call, &err);
    else
        submit_part(call);
}

/* Any thread: all items are done. */
static void job_done(struct job *job)
{
    struct call *call = (struct call *)job;
    http_post(call->api->server, &call->finish);
}

static void submit(struct call *call)
{
    struct error err;
    histogram_add_ns(&call->api->prepare, call->prepare_ns);
    if (!call->x) {
        release(call);
        return;
    }
    if (call->error.kind != ERR_NONE) {
        err = call->error;
        fail(call, &err);
        return;
    }
    if (call->route->operation->answer_item) {
        answer_call(call);
        return;
    }
    call->finish.run = finish;
    call->job.done = job_done;
    call->job.deadline_ns = clock_ns() + (uint64_t)call->api->options.deadline_ms * 1000000;
    submit_part(call);
}

/* Any thread: texts to items. */
static bool prepare_items(struct call *call, struct error *err)
{
    bool (*answer_item)(struct call *, size_t, struct error *) = call->route->operation->answer_item;
    struct prepare_options options = call->prepare;
    const size_t columns = (size_t)call_model(call)->columns;
    for (size_t i = 0; i < call->job.count && call_is_wanted(call); i++) {
        struct item *item = &call->job.items[i];
        if (call->sparse_room)
            options.sparse_room = call->sparse_room + i % part_size(call) * columns;
        bool prepared =
            answer_item ? answer_item(call, i, err)
                        : engine_prepare(call->engine, &call->inputs[i], &options, &call->arena, item, err);
        if (!prepared) {
            const size_t per_text = call->items_per_text ? call->items_per_text : 1;
            call_blame_limit(call, i, err);
            if (call->count > per_text && err->kind != ERR_TOO_LARGE)
                name_text(call, i / per_text, err);
            return false;
        }
        item->job = &call->job;
    }
    return true;
}

/* Any thread. */
static void prepare(struct call *call)
{
    uint64_t begin = clock_ns();
    if (call->prepare_first && !call->prepare_first(call, &call->error))
        call_blame_limit(call, 0, &call->error);
    else if (prepare_items(call, &call->error) && call_is_wanted(call))
        call_answer_fits(call, &call->error);
    call->prepare_ns = clock_ns() - begin;
}

static void prepare_work(struct http_job *job)
{
    prepare(call_of_helper(job));
}

static void prepare_done(struct http_job *job)
{
    submit(call_of_helper(job));
}

static bool read_body(struct call *call, struct error *err)
{
    const struct operation *operation = call->route->operation;
    struct blob body = http_body(call->x);
    size_t length = body.size;
    arena_reset(&call->api->json);
    if (operation->split && !operation->split(call->x, &length, err))
        return false;
    yyjson_doc *doc = json_read((const char *)body.bytes, length, REQUEST_DEPTH, &call->api->json, err);
    if (!doc || !models_choose(call, yyjson_doc_get_root(doc), err))
        return false;
    size_t labels = (size_t)call_model(call)->label_count;
    if (!operation->read(yyjson_doc_get_root(doc), call, err))
        return false;
    call->scores = arena_alloc(&call->arena, labels * sizeof *call->scores);
    call->order = arena_alloc(&call->arena, labels * sizeof *call->order);
    if (!call->scores || !call->order)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu labels", labels);
    return make_sparse_room(call, err);
}

void call_start(struct call *call)
{
    struct error err;
    if (!read_body(call, &err)) {
        call_blame_limit(call, 0, &err);
        fail(call, &err);
        return;
    }
    tei_count_request(&call->api->tei, call);
    const size_t bytes = call_text_bytes(call);
    if (bytes <= call->api->options.inline_bytes) {
        prepare(call);
        submit(call);
        return;
    }
    call->helper_job = (struct http_job){.work = prepare_work, .done = prepare_done};
    if (!http_offload(call->api->server, &call->helper_job)) {
        error_set(&err, ERR_NO_MEMORY, "no memory to tokenize %zu bytes of text", bytes);
        fail(call, &err);
    }
}
