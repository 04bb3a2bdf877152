#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/run_task.h"
#include "cli/setup.h"
#include "engine/embedding.h"
#include "engine/score.h"

enum {
    CHUNK_LINES = 512,       /* read, computed and written together; fewer where the input stalls */
    CHUNK_MEMORY = 16 << 20, /* ... or where they take more */
    MAX_BATCH_TOKENS = 65536,
    CHUNK_BYTES = 1 << 20, /* kept between chunks */
};

/* A line and what it becomes. */
struct run_line {
    size_t number;
    struct input input;
    struct item *items; /* [task.items_per_line] */
};

struct run {
    struct setup setup;
    struct task_options task_options;
    const char *input, *function_name, *prompt_name;
    bool logits, no_truncation;
    int top_k;
    size_t batch_tokens;

    enum score_function function;
    struct task_run task;
    struct arena task_arena; /* what the task keeps */
    struct engine *engine;
    struct lane *lane;
    struct lines lines;
    struct arena arena; /* of one chunk */
    struct run_line chunk[CHUNK_LINES];
    size_t count;
    float *scores;
    int *order;
    struct buf out;
    struct progress progress;
    uint64_t texts, failed, truncated;
};

static void report_line(struct run *run, size_t number, const char *message)
{
    progress_clear(&run->progress);
    fprintf(stderr, "linnet: %s: line %zu: %s\n", run->lines.name, number, message);
    run->failed++;
}

/* Reads and prepares up to a chunk. False at the end of the input; *broken where reading failed. */
static bool read_chunk(struct run *run, bool *broken, struct error *err)
{
    const size_t per_line = run->task.items_per_line;
    run->count = 0;
    arena_reset(&run->arena);
    while (run->count < CHUNK_LINES && run->arena.total < CHUNK_MEMORY &&
           !(run->count > 0 && lines_would_block(&run->lines))) {
        struct run_line *line = &run->chunk[run->count];
        enum line_result result = lines_next(&run->lines, &run->arena, &line->input, err);
        if (result == LINE_END || result == LINE_BROKEN) {
            *broken = result == LINE_BROKEN;
            return false;
        }
        line->number = run->lines.number;
        line->items = arena_calloc(&run->arena, per_line, sizeof *line->items);
        if (!line->items)
            error_set(err, ERR_NO_MEMORY, "no memory for a line");
        if (result == LINE_BAD || !line->items ||
            !task_run_prepare(&run->task, run->engine, &line->input, &run->arena, line->items, err))
            report_line(run, line->number, err->message);
        else
            run->count++;
    }
    return true;
}

static bool compute_chunk(struct run *run, struct error *err)
{
    const size_t per_line = run->task.items_per_line, count = run->count * per_line;
    struct item **items = arena_alloc(&run->arena, count * sizeof *items);
    if (!items)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu lines", run->count);
    for (size_t i = 0; i < count; i++)
        items[i] = &run->chunk[i / per_line].items[i % per_line];
    for (size_t begin = 0; begin < count;) {
        size_t end = begin, tokens = 0;
        do
            tokens += items[end++]->cost;
        while (end < count && tokens + items[end]->cost <= run->batch_tokens);
        lane_run(run->lane, items + begin, end - begin);
        begin = end;
    }
    return true;
}

static void put_label(struct run *run, int id)
{
    const char *label = run->engine->desc.labels[id];
    buf_puts(&run->out, "\"label\":");
    json_put_string(&run->out, label, strlen(label));
    buf_puts(&run->out, ",\"score\":");
    json_put_float(&run->out, run->scores[id]);
}

static void put_numbers(struct run *run, const char *name, const float *numbers, size_t count)
{
    buf_printf(&run->out, "\"%s\":", name);
    for (size_t i = 0; i < count; i++) {
        buf_putc(&run->out, i ? ',' : '[');
        json_put_float(&run->out, numbers[i]);
    }
    buf_putc(&run->out, ']');
}

static void put_labels(struct run *run, const struct item *item)
{
    const struct model_desc *desc = &run->engine->desc;
    int ranked = run->top_k && run->top_k < desc->label_count ? run->top_k
                 : run->top_k                                 ? desc->label_count
                                                              : 1;
    score_apply(desc, run->function, item->rows, run->scores);
    score_rank(run->scores, desc->label_count, run->order, ranked);
    put_label(run, run->order[0]);
    if (run->top_k) {
        buf_puts(&run->out, ",\"top_k\":[");
        for (int i = 0; i < ranked; i++) {
            buf_puts(&run->out, i ? ",{" : "{");
            put_label(run, run->order[i]);
            buf_putc(&run->out, '}');
        }
        buf_putc(&run->out, ']');
    }
    if (run->logits) {
        buf_putc(&run->out, ',');
        put_numbers(run, "logits", item->rows, item->columns);
    }
}

static void put_sparse_values(struct run *run, const struct item *item)
{
    buf_puts(&run->out, "\"sparse_embedding\":");
    put_sparse(&run->out, item->sparse, item->sparse_count);
}

static void put_row(struct run *run, const struct item *item)
{
    buf_putc(&run->out, '{');
    if (run->engine->desc.task == TASK_SPARSE_EMBEDDING)
        put_sparse_values(run, item);
    else if (run->engine->desc.sentence)
        put_numbers(run, "embedding", item->rows, item->columns);
    else
        put_labels(run, item);
    bool truncated = item->length < item->full_length;
    run->truncated += truncated;
    buf_puts(&run->out, truncated ? ",\"truncated\":true}\n" : "}\n");
}

/* The answer of a task's pipeline; a cut text is told of on stderr, for most of them are lists. */
static bool put_answer(struct run *run, const struct run_line *line, struct error *err)
{
    bool truncated = false;
    for (size_t i = 0; i < run->task.items_per_line; i++)
        truncated = truncated || line->items[i].length < line->items[i].full_length;
    run->truncated += truncated;
    if (truncated) {
        progress_clear(&run->progress);
        fprintf(stderr, "linnet: %s: line %zu: truncated\n", run->lines.name, line->number);
    }
    bool put = task_run_put(&run->task, run->engine, &line->input, line->items, &run->arena, &run->out, err);
    buf_putc(&run->out, '\n');
    return put;
}

static enum error_kind line_error(const struct run *run, const struct run_line *line)
{
    for (size_t i = 0; i < run->task.items_per_line; i++)
        if (line->items[i].error != ERR_NONE)
            return line->items[i].error;
    return ERR_NONE;
}

static bool write_chunk(struct run *run, struct error *err)
{
    buf_clear(&run->out);
    for (size_t i = 0; i < run->count; i++) {
        const struct run_line *line = &run->chunk[i];
        enum error_kind error = line_error(run, line);
        if (error != ERR_NONE) {
            report_line(run, line->number, error_kind_words(error));
            continue;
        }
        if (task_is_plain(run->task.task))
            put_row(run, line->items);
        else if (!put_answer(run, line, err))
            return false;
        run->texts++;
    }
    if (!buf_ok(&run->out))
        return error_set(err, ERR_NO_MEMORY, "no memory for the output of %zu lines", run->count);
    if (run->out.length &&
        (fwrite(run->out.bytes, 1, run->out.length, stdout) != run->out.length || fflush(stdout) != 0))
        return error_set_errno(err, errno, "writing the output");
    progress_update(&run->progress, run->texts, run->lines.bytes_read, run->lines.total_bytes);
    return true;
}

static bool stream(struct run *run, struct error *err)
{
    bool more = true, broken = false, written = true;
    progress_begin(&run->progress);
    while (more && written) {
        struct error read_error;
        more = read_chunk(run, &broken, &read_error);
        written = compute_chunk(run, err) && write_chunk(run, err);
        if (broken && written)
            *err = read_error;
    }
    progress_clear(&run->progress);
    if (run->truncated)
        fprintf(stderr, "linnet: %llu of %llu texts were truncated to %d tokens\n",
                (unsigned long long)run->truncated, (unsigned long long)run->texts,
                run->engine->desc.max_tokens);
    if (run->failed)
        fprintf(stderr, "linnet: lines that failed: %llu\n", (unsigned long long)run->failed);
    return written && !broken;
}

/* Options that the model's task has no use for, and the prompt. */
static bool check_task(struct run *run, struct error *err)
{
    const struct model_desc *desc = &run->engine->desc;
    const char *of_labels = run->logits ? "logits" : run->top_k ? "top-k" : NULL;
    if (run->function_name)
        of_labels = "function-to-apply";
    if (desc->sentence && of_labels)
        return error_set(err, ERR_USAGE, "--%s is for classifiers, and %s makes embeddings", of_labels,
                         desc->name);
    if (!task_is_plain(desc->task) && of_labels && strcmp(of_labels, "top-k") != 0)
        return error_set(err, ERR_USAGE, "--%s is for text-classification, and the task of %s is %s",
                         of_labels, desc->name, desc->task_name);
    if (!task_run_open(&run->task, &run->task_options, run->top_k, !run->no_truncation, run->engine,
                       &run->task_arena, err))
        return false;
    const char **prompt = &run->task.prepare.prompt;
    *prompt = embedding_default(desc);
    if (!run->prompt_name)
        return true;
    if (embedding_prompt(desc, run->prompt_name, prompt, err))
        return true;
    err->kind = ERR_USAGE;
    return error_prefix(err, "--prompt-name");
}

static bool open_lane(struct run *run, struct error *err)
{
    size_t labels = (size_t)run->engine->desc.label_count + 1;
    run->scores = malloc(labels * sizeof *run->scores);
    run->order = malloc(labels * sizeof *run->order);
    if (!run->scores || !run->order)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu labels", labels - 1);
    run->lane = lane_open(run->engine, run->setup.threads, err);
    return run->lane != NULL;
}

static bool run_model(struct run *run, const char *model, const char *file, struct error *err)
{
    struct model_files files;
    if (run->function_name &&
        !score_function_parse(run->function_name, strlen(run->function_name), &run->function))
        return error_set(err, ERR_USAGE, "--function-to-apply is \"%.40s\", want softmax, sigmoid or none",
                         run->function_name);
    if (!lines_open(&run->lines, file, run->input, err))
        return false;
    bool ok = setup_open(&run->setup, model, &files, &run->engine, err);
    if (ok) {
        arena_init(&run->arena, CHUNK_BYTES, SIZE_MAX);
        arena_init(&run->task_arena, 0, SIZE_MAX);
        buf_init(&run->out);
        ok = check_task(run, err) && open_lane(run, err) && stream(run, err);
        lane_close(run->lane);
        free(run->scores);
        free(run->order);
        buf_free(&run->out);
        arena_free(&run->arena);
        arena_free(&run->task_arena);
        engine_close(run->engine);
        model_files_close(&files);
    }
    lines_close(&run->lines);
    return ok;
}

static int run_main(int argc, char **argv)
{
    static struct run run = {.input = "lines", .batch_tokens = 256};
    setup_default(&run.setup);
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "Input and output", NULL, 0, 0},
        {OPTION_STRING, "input", "FORMAT",
         "lines: a text a line; jsonl: objects with \"text\", \"text_pair\" (default lines)", &run.input, 0,
         0},
        {OPTION_FLAG, "logits", NULL, "add the model's raw outputs, in label order, at full precision",
         &run.logits, 0, 0},
        {OPTION_INT, "top-k", "N", "add the N best labels as \"top_k\"; of fill-mask: so many words",
         &run.top_k, 1, 65536},
        {OPTION_STRING, "function-to-apply", "NAME", "softmax, sigmoid or none (default: the model's own)",
         &run.function_name, 0, 0},
        {OPTION_STRING, "prompt-name", "NAME",
         "put that prompt of the model before each text (default: the model's default, if any)",
         &run.prompt_name, 0, 0},
        {OPTION_FLAG, "no-truncation", NULL, "report texts over the model's limit instead of cutting them",
         &run.no_truncation, 0, 0},
        REVISION_ROW(run.setup),
        TASK_ROWS(run.setup),
        TASK_OPTION_ROWS(run.task_options),
        SETUP_ROWS(run.setup),
        {OPTION_SIZE, "batch-tokens", "N", "tokens computed together (default 256)", &run.batch_tokens, 1,
         MAX_BATCH_TOKENS},
    };
    const struct usage usage = {
        .line = "linnet run [options] [MODEL] [FILE]",
        .text =
            "Classifies or embeds each line of FILE (or of standard input) and writes a JSON value\n"
            "a line, in order: {\"label\": ..., \"score\": ...}, {\"embedding\": [...]} of a model that\n"
            "makes embeddings ({\"sparse_embedding\": [{\"index\": ..., \"value\": ...}, ...]} of sparse\n"
            "ones), or what transformers' pipeline returns of a model for another task. Texts over\n"
            "the model's limit are cut, marked \"truncated\": true and counted on stderr. A line that\n"
            "cannot be read is reported on stderr with its number; the rest goes on. MODEL is a\n"
            "directory in Hugging Face form, or a name at the Hub (owner/name, @revision); without\n"
            "it the embedded sentiment model is used.",
        .examples = "  echo 'I love you.' | linnet run\n"
                    "  linnet run ./my-model reviews.txt > labels.jsonl\n"
                    "  linnet run --input jsonl --logits --top-k 3 ./my-model pairs.jsonl",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
    };
    const char *positional[2], *model, *file;
    size_t count;
    struct error err;
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 2, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG || !setup_arguments(positional, count, &model, &file, &err) ||
        !run_model(&run, model, file, &err))
        return report(&err);
    return run.failed ? EXIT_SOME_FAILED : EXIT_OK;
}

const struct command run_command = {"run", "classify or embed the lines of a file", run_main};
