#include "engine/python.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/python_process.h"

enum {
    /* What special tokens add to a text, in bytes of text: without it "a" and "abc" would be of unlike
       length. */
    SPECIAL_BYTES = 8,
    /* Buffers of a lane that a large batch has left larger are given back. */
    KEPT_BYTES = 1 << 20,
    /* RESULTS: u64 nanoseconds, u32 count; each item: u8 status, u32 length, the bytes. Little-endian. */
    RESULTS_HEAD = 12,
    ITEM_HEAD = 5,
};

enum status { STATUS_ANSWERED, STATUS_RAISED, STATUS_BAD_INPUT, STATUS_NOT_FINITE };

struct python {
    struct engine engine; /* first: an engine pointer is a python pointer */
    struct python_options options;
    struct python_pool pool;
    struct arena arena; /* strings of desc and pool */
    struct python_process **processes;
    int opened, lanes; /* processes that exist; that have a lane */
};

struct python_lane {
    struct lane lane;
    struct python *python;
    struct python_process *process;
    struct buf out, in;
};

void python_options_default(struct python_options *options)
{
    *options = (struct python_options){.device = "cpu", .workers = 1, .worker_timeout_ms = 30000};
}

/* --- Preparing */

/* FNV-1a; never 0, which would go with everything. */
static uint64_t hash(const char *text, size_t length)
{
    uint64_t value = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        value = (value ^ (unsigned char)text[i]) * 1099511628211u;
    return value ? value : 1;
}

/* A text as a JSON string, a pair as text-classification's object, in `arena`. */
static bool text_to_json(const struct input *input, struct arena *arena, struct item *out)
{
    struct buf json;
    buf_init(&json);
    if (input->pair)
        buf_puts(&json, "{\"text\":");
    json_put_string(&json, input->text, input->text_length);
    if (input->pair) {
        buf_puts(&json, ",\"text_pair\":");
        json_put_string(&json, input->pair, input->pair_length);
        buf_putc(&json, '}');
    }
    out->json = buf_ok(&json) ? arena_strndup(arena, json.bytes, json.length) : NULL;
    out->json_length = json.length;
    buf_free(&json);
    return out->json != NULL;
}

static bool prepare(const struct engine *engine, const struct input *input,
                    const struct prepare_options *options, struct arena *arena, struct item *out,
                    struct error *err)
{
    (void)engine;
    *out = (struct item){
        .cost = 1,
        .json = input->json,
        .json_length = input->json_length,
        .parameters = options->parameters ? options->parameters : "{}",
        .parameters_length = options->parameters ? options->parameters_length : 2,
        .form = options->form,
    };
    if (!out->json && !text_to_json(input, arena, out))
        return error_set(err, ERR_NO_MEMORY, "no memory for a text");
    out->batches_by_size = true;
    out->key = hash(out->parameters, out->parameters_length);
    out->length = out->json_length + SPECIAL_BYTES;
    out->full_length = out->length;
    return true;
}

/* --- Items' results */

static void set_answer(struct item *item, enum error_kind kind, const char *bytes, size_t length)
{
    item->error = kind;
    item->answer = malloc(length + 1);
    if (!item->answer) {
        item->error = ERR_NO_MEMORY;
        item->answer_length = 0;
        return;
    }
    memcpy(item->answer, bytes, length);
    item->answer[length] = '\0';
    item->answer_length = length;
}

static void fail_items(struct item *const items[], size_t count, const struct error *err)
{
    for (size_t i = 0; i < count; i++)
        set_answer(items[i], err->kind, err->message, strlen(err->message));
}

static uint64_t get_number(const char *bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

/* Checks the whole of RESULTS before any item is touched. */
static bool results_are_whole(const struct buf *in, size_t count)
{
    size_t at = RESULTS_HEAD;
    if (in->length < RESULTS_HEAD || get_number(in->bytes + 8, 4) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (in->length - at < ITEM_HEAD)
            return false;
        size_t length = get_number(in->bytes + at + 1, 4);
        at += ITEM_HEAD;
        if (in->length - at < length)
            return false;
        at += length;
    }
    return at == in->length;
}

static void take_results(const struct buf *in, struct item *const items[], size_t count)
{
    static const enum error_kind kinds[] = {
        [STATUS_ANSWERED] = ERR_NONE,
        [STATUS_RAISED] = ERR_PYTHON,
        [STATUS_BAD_INPUT] = ERR_BAD_INPUT,
        [STATUS_NOT_FINITE] = ERR_NON_FINITE,
    };
    const char *at = in->bytes + RESULTS_HEAD;
    for (size_t i = 0; i < count; i++) {
        size_t status = (unsigned char)*at, length = get_number(at + 1, 4);
        enum error_kind kind = status < sizeof kinds / sizeof *kinds ? kinds[status] : ERR_PYTHON;
        set_answer(items[i], kind, at + ITEM_HEAD, length);
        at += ITEM_HEAD + length;
    }
}

/* --- One call of a worker */

static void write_batch(struct buf *out, struct item *const items[], size_t count)
{
    buf_clear(out);
    buf_puts(out, "{\"parameters\":");
    buf_append(out, items[0]->parameters, items[0]->parameters_length);
    buf_puts(out, ",\"forms\":[");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, i ? ",%d" : "%d", (int)items[i]->form);
    buf_puts(out, "],\"inputs\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        buf_append(out, items[i]->json, items[i]->json_length);
    }
    buf_puts(out, "]}");
}

/* The way to a worker and back. */
static bool round_trip(struct python_lane *lane, int fd, struct item *const items[], size_t count,
                       struct error *err)
{
    struct worker_stats *stats = &lane->python->pool.stats;
    enum frame_type type;
    uint64_t begin = clock_ns(), deadline = begin + lane->python->options.worker_timeout_ms * 1000000ull;
    if (!frame_write(fd, FRAME_BATCH, lane->out.bytes, lane->out.length, deadline, err) ||
        !frame_read(fd, &type, &lane->in, deadline, err))
        return false;
    if (type != FRAME_RESULTS || !results_are_whole(&lane->in, count))
        return error_set(err, ERR_IO, "a frame of type %d and %zu bytes is no RESULTS of %zu items",
                         (int)type, lane->in.length, count);
    uint64_t whole = clock_ns() - begin, inside = get_number(lane->in.bytes, 8);
    histogram_add_ns(&stats->python, inside);
    histogram_add_ns(&stats->ffi, whole > inside ? whole - inside : 0);
    take_results(&lane->in, items, count);
    return true;
}

enum outcome { ANSWERED, REFUSED, CRASHED, HUNG };

/* REFUSED: no worker could be had, and all items have their error. CRASHED and HUNG: the worker is gone, no
 * item has anything, and `err` says how it ended. */
static enum outcome call_worker(struct python_lane *lane, struct item *const items[], size_t count,
                                bool patient, struct error *err)
{
    char how[120];
    write_batch(&lane->out, items, count);
    if (!buf_ok(&lane->out) || lane->out.length > FRAME_MAX_PAYLOAD) {
        error_set(err, ERR_NO_MEMORY, "no memory for a batch of %zu bytes", lane->out.length);
        fail_items(items, count, err);
        return REFUSED;
    }
    int fd = python_process_acquire(lane->process, patient, err);
    if (fd < 0) {
        fail_items(items, count, err);
        return REFUSED;
    }
    if (round_trip(lane, fd, items, count, err)) {
        python_process_release(lane->process);
        return ANSWERED;
    }
    bool hung = err->kind == ERR_DEADLINE;
    log_warn("a batch of %zu texts was lost with its Python worker: %s", count, err->message);
    python_process_lose(lane->process, hung, how, sizeof how);
    error_set(err, ERR_WORKER, "the Python worker %s", how);
    return hung ? HUNG : CRASHED;
}

/* --- Batches */

static bool is_wanted(struct item *item)
{
    uint64_t deadline = item->job->deadline_ns;
    if (atomic_load(&item->job->cancelled))
        item->error = ERR_CANCELLED;
    else if (deadline && clock_ns() >= deadline)
        item->error = ERR_DEADLINE;
    else
        return true;
    return false;
}

/* An item whose batch ended a worker, alone on a fresh one. */
static void retry(struct python_lane *lane, struct item *item)
{
    struct error err;
    enum outcome outcome = is_wanted(item) ? call_worker(lane, &item, 1, true, &err) : REFUSED;
    if (outcome != CRASHED && outcome != HUNG)
        return;
    error_prefix(&err, "this input ended two Python workers in turn");
    fail_items(&item, 1, &err);
}

/* Items of equal parameters. */
static void run_group(struct python_lane *lane, struct item *const items[], size_t count)
{
    struct error err;
    enum outcome outcome = call_worker(lane, items, count, false, &err);
    if (outcome == HUNG && count == 1) {
        error_prefix(&err, "after %u ms", lane->python->options.worker_timeout_ms);
        fail_items(items, count, &err);
    } else if (outcome == CRASHED || outcome == HUNG) {
        for (size_t i = 0; i < count; i++)
            retry(lane, items[i]);
    }
}

static void keep_small(struct buf *buf)
{
    if (buf->capacity > KEPT_BYTES)
        buf_free(buf);
}

static bool same_parameters(const struct item *a, const struct item *b)
{
    return a->parameters_length == b->parameters_length &&
           memcmp(a->parameters, b->parameters, a->parameters_length) == 0;
}

static void lane_run_python(struct lane *lane, struct item *const items[], size_t count)
{
    struct python_lane *self = (struct python_lane *)lane;
    /* Equal keys are almost always equal parameters; whoever finds two that are not must not mix them. */
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = begin + 1;
        while (end < count && same_parameters(items[begin], items[end]))
            end++;
        run_group(self, items + begin, end - begin);
    }
    keep_small(&self->out);
    keep_small(&self->in);
}

/* --- Lanes */

static struct lane *lane_open_python(const struct engine *engine, struct team *team, int threads,
                                     struct error *err)
{
    struct python *python = (struct python *)(uintptr_t)engine;
    (void)team;
    (void)threads; /* the worker's own affair */
    if (python->lanes == python->opened) {
        error_set(err, ERR_USAGE, "the Python engine has %d workers, and as many lanes at most",
                  python->opened);
        return NULL;
    }
    struct python_lane *lane = calloc(1, sizeof *lane);
    if (!lane) {
        error_set(err, ERR_NO_MEMORY, "no memory for a lane");
        return NULL;
    }
    lane->lane.engine = engine;
    lane->python = python;
    lane->process = python->processes[python->lanes++];
    buf_init(&lane->out);
    buf_init(&lane->in);
    return &lane->lane;
}

static void lane_close_python(struct lane *lane)
{
    struct python_lane *self = (struct python_lane *)lane;
    buf_free(&self->out);
    buf_free(&self->in);
    free(self);
}

static void lane_wait_python(struct lane *lane)
{
    python_process_wait(((struct python_lane *)lane)->process);
}

static void interrupt(struct engine *engine)
{
    struct python *python = (struct python *)engine;
    for (int i = 0; i < python->opened; i++)
        python_process_interrupt(python->processes[i]);
}

static const struct worker_stats *workers(const struct engine *engine)
{
    return &((const struct python *)engine)->pool.stats;
}

/* --- Opening */

static void close_python(struct engine *engine)
{
    struct python *python = (struct python *)engine;
    for (int i = 0; i < python->opened; i++)
        python_process_close(python->processes[i]);
    free(python->processes);
    if (python->pool.script_fd >= 0)
        close(python->pool.script_fd);
    arena_free(&python->arena);
    free(python);
}

static const struct engine_operations operations = {
    .prepare = prepare,
    .lane_open = lane_open_python,
    .lane_run = lane_run_python,
    .lane_close = lane_close_python,
    .close = close_python,
    .lane_wait = lane_wait_python,
    .interrupt = interrupt,
    .workers = workers,
};

static bool write_load(struct python *python, struct error *err)
{
    const struct python_options *options = &python->options;
    struct buf out;
    buf_init(&out);
    buf_putc(&out, '{');
    json_put_field(&out, "model", options->model);
    json_put_field(&out, "revision", options->revision);
    json_put_field(&out, "task", options->task);
    json_put_field(&out, "device", options->device);
    json_put_field(&out, "dtype", options->dtype);
    json_put_field(&out, "script", options->worker_script);
    buf_printf(&out, "\"trust_remote_code\":%s,\"threads\":%d}",
               options->trust_remote_code ? "true" : "false", options->worker_threads);
    python->pool.load = buf_ok(&out) ? arena_strndup(&python->arena, out.bytes, out.length) : NULL;
    buf_free(&out);
    return python->pool.load || error_set(err, ERR_NO_MEMORY, "no memory to open a Python worker");
}

/* A file in memory, so that nothing needs to be installed beside the executable. */
static bool open_script(struct python *python, struct error *err)
{
    struct blob script = python->options.script;
    int fd = memfd_create("linnet_worker.py", MFD_CLOEXEC);
    python->pool.script_fd = fd;
    if (fd < 0)
        return error_set_errno(err, errno, "making a file in memory");
    for (size_t written = 0; written < script.size;) {
        ssize_t got = write(fd, script.bytes + written, script.size - written);
        if (got < 0)
            return error_set_errno(err, errno, "writing the worker script");
        written += (size_t)got;
    }
    return true;
}

static bool describe_host(struct python *python, struct error *err)
{
    const struct python_host *host = &python->pool.host;
    char text[600];
    if (host->worker)
        snprintf(text, sizeof text, "Python %s of %.200s, embedded", host->version, host->executable);
    else
        snprintf(text, sizeof text, "Python %s of %.200s, run as it is, not embedded: %.200s", host->version,
                 host->executable, host->why_not);
    log_info("%s", text);
    python->pool.stats.host = arena_strndup(&python->arena, text, strlen(text));
    return python->pool.stats.host || error_set(err, ERR_NO_MEMORY, "no memory to open a Python worker");
}

static const char *string_of(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text ? text : "";
}

/* "transformers 5.24.0 on Python ...". */
static bool name_library(struct python *python, const char *library, struct error *err)
{
    char text[700];
    if (!*library)
        return true;
    snprintf(text, sizeof text, "%.60s on %s", library, python->pool.stats.host);
    python->pool.stats.host = arena_strndup(&python->arena, text, strlen(text));
    return python->pool.stats.host || error_set(err, ERR_NO_MEMORY, "no memory to open a Python worker");
}

static bool copy_labels(struct python *python, yyjson_val *labels, struct error *err)
{
    size_t count = yyjson_arr_size(labels), index, max;
    const char **names = arena_calloc(&python->arena, count, sizeof *names);
    yyjson_val *label;
    if (!names)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu labels", count);
    yyjson_arr_foreach (labels, index, max, label)
        names[index] = yyjson_get_str(label) ? yyjson_get_str(label) : "";
    python->engine.desc.labels = names;
    python->engine.desc.label_count = (int)count;
    return true;
}

/* From the first worker's READY, whose strings the arena keeps. */
static bool describe_model(struct python *python, const struct buf *ready, struct error *err)
{
    yyjson_doc *doc = json_read(ready->bytes, ready->length, 8, &python->arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!root)
        return error_prefix(err, "READY of the Python worker");
    const char *task = string_of(root, "task");
    python->engine.desc = (struct model_desc){
        .name = python->options.model ? python->options.model : python->options.worker_script,
        .engine = "python",
        .result = RESULT_JSON,
        .batches = yyjson_get_bool(yyjson_obj_get(root, "batches")),
        .model_type = string_of(root, "model_type"),
        .architecture = string_of(root, "architecture"),
        .activation = "",
        .task =
            strcmp(task, task_name(TASK_TEXT_CLASSIFICATION)) == 0 ? TASK_TEXT_CLASSIFICATION : TASK_OTHER,
        .task_name = task,
        .mask_token = yyjson_get_str(yyjson_obj_get(root, "mask_token")),
        .max_tokens = (int)yyjson_get_uint(yyjson_obj_get(root, "max_tokens")),
        .precision = string_of(root, "dtype"),
        .stored = string_of(root, "dtype"),
        .isa = string_of(root, "device"),
        .parameters = yyjson_get_uint(yyjson_obj_get(root, "parameters")),
    };
    return name_library(python, string_of(root, "library"), err) &&
           copy_labels(python, yyjson_obj_get(root, "labels"), err);
}

static bool start_workers(struct python *python, struct error *err)
{
    struct buf ready;
    bool ok = true;
    int count = python->options.workers;
    python->processes = calloc((size_t)count, sizeof *python->processes);
    if (!python->processes)
        return error_set(err, ERR_NO_MEMORY, "no memory for %d Python workers", count);
    while (ok && python->opened < count) {
        python->processes[python->opened] = python_process_open(&python->pool, python->opened, err);
        ok = python->processes[python->opened] != NULL;
        python->opened += ok;
    }
    buf_init(&ready);
    for (int i = 0; ok && i < count; i++)
        ok = python_process_started(python->processes[i], i == 0 ? &ready : NULL, err);
    ok = ok && describe_model(python, &ready, err);
    buf_free(&ready);
    return ok;
}

struct engine *python_open(const struct python_options *options, struct error *err)
{
    struct python *python = calloc(1, sizeof *python);
    if (!python) {
        error_set(err, ERR_NO_MEMORY, "no memory to open a Python worker");
        return NULL;
    }
    python->engine.operations = &operations;
    python->options = *options;
    python->pool.script_fd = -1;
    python->pool.max_rss_bytes = options->max_memory_mib << 20;
    python->pool.stats.workers = options->workers;
    histogram_init_seconds(&python->pool.stats.ffi);
    histogram_init_seconds(&python->pool.stats.python);
    arena_init(&python->arena, 0, SIZE_MAX);
    if (python_find(options->python, &python->arena, &python->pool.host, err) && write_load(python, err) &&
        open_script(python, err) && describe_host(python, err) && start_workers(python, err))
        return &python->engine;
    close_python(&python->engine);
    return NULL;
}
