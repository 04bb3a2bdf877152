#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/host.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/setup.h"
#include "engine/score.h"

static const char *function_name(const struct model_desc *desc)
{
    static const char *const names[] = {
        [SCORE_SOFTMAX] = "softmax", [SCORE_SIGMOID] = "sigmoid", [SCORE_NONE] = "none"};
    return names[score_function_of(desc)];
}

static void put_paths(struct buf *out, const char *separator, const char *quote)
{
    const struct kernels *path;
    bool available, first = true;
    for (int i = 0; (path = kern_path(i, &available)); i++) {
        if (!available)
            continue;
        buf_printf(out, "%s%s%s%s", first ? "" : separator, quote, path->name, quote);
        first = false;
    }
}

/* Who says how states are pooled. */
static const char *pooling_origin(const struct sentence *sentence)
{
    static const char *const words[] = {[POOLING_FROM_FILES] = "as its files say",
                                        [POOLING_ASKED_FOR] = "as --pooling says",
                                        [POOLING_ASSUMED] = "assumed: its files do not say"};
    return words[sentence->origin];
}

static void put_task(struct buf *out, const struct model_desc *desc)
{
    const struct sentence *sentence = desc->sentence;
    if (!sentence) {
        buf_printf(out, "task          %s, scores by %s\n", desc->task_name, function_name(desc));
        buf_printf(out, "labels        %d:", desc->label_count);
        for (int i = 0; i < desc->label_count; i++)
            buf_printf(out, " %s", desc->labels[i]);
        buf_putc(out, '\n');
        return;
    }
    buf_printf(out, "task          %s: %d dimensions%s\n", desc->task_name, desc->columns,
               sentence->is_sparse                    ? ", one a token of the vocabulary, most of them 0"
               : sentence_gives_unit_length(sentence) ? ", of length 1"
                                                      : "");
    if (sentence->kept < sentence->dimensions)
        buf_printf(out, "truncation    the first %d of %d dimensions are kept%s\n", sentence->kept,
                   sentence->dimensions, sentence->normalises ? ", of a row of length 1" : "");
    buf_printf(out, "pooling       %s (%s)", sentence->pooling_name, pooling_origin(sentence));
    if (sentence->is_sparse)
        buf_printf(out, ": the %s of %s over a text's tokens", sentence->splade.sums ? "sum" : "largest",
                   sentence->splade.twice ? "log(1 + log(1 + relu(logit)))" : "log(1 + relu(logit))");
    if (sentence->dense_count)
        buf_printf(out, ", Dense layers: %d", sentence->dense_count);
    buf_putc(out, '\n');
    if (sentence->prompt_count)
        buf_puts(out, "prompts      ");
    for (int i = 0; i < sentence->prompt_count; i++)
        buf_printf(out, " %s", sentence->prompts[i].name);
    if (sentence->prompt_count)
        buf_putc(out, '\n');
}

static void put_text(struct buf *out, const struct model_desc *desc, int threads)
{
    buf_printf(out, "model         %s\n", desc->name);
    buf_printf(out, "architecture  %s (%s): %d layers, hidden %d, %d heads, intermediate %d, %s\n",
               desc->architecture, desc->model_type, desc->layers, desc->hidden, desc->heads,
               desc->intermediate, desc->activation);
    put_task(out, desc);
    buf_printf(out, "vocabulary    %d tokens; a text may have %d\n", desc->vocab_size, desc->max_tokens);
    buf_printf(out, "parameters    %.1f million, stored as %s%s\n", (double)desc->parameters * 1e-6,
               desc->stored, strcmp(desc->stored, "I8") == 0 ? " with scales" : "");
    buf_printf(out, "precision     %s\n", desc->precision);
    buf_printf(out, "memory        %.1f MiB of packed weights; embeddings are read from %.1f MiB of files\n",
               (double)desc->packed_bytes / (1 << 20), (double)desc->mapped_bytes / (1 << 20));
    buf_printf(out, "processor     %s, %d cores to use\n", host_cpu_name(), host_cores());
    buf_printf(out, "ISA           %s (this processor runs ", desc->isa);
    put_paths(out, ", ", "");
    buf_printf(out, ")\nthreads       %d\n", threads);
}

static void put_json_embedding(struct buf *out, const struct model_desc *desc)
{
    const struct sentence *sentence = desc->sentence;
    if (!sentence)
        return;
    static const char *const origins[] = {
        [POOLING_FROM_FILES] = "files", [POOLING_ASKED_FOR] = "option", [POOLING_ASSUMED] = "assumed"};
    buf_printf(out, "\"dimensions\":%d,\"normalises\":%s,\"dense_layers\":%d,", desc->columns,
               sentence_gives_unit_length(sentence) ? "true" : "false", sentence->dense_count);
    json_put_field(out, "pooling", sentence->pooling_name);
    json_put_field(out, "pooling_origin", origins[sentence->origin]);
    if (sentence->is_sparse) {
        json_put_field(out, "splade_strategy", sentence->splade.sums ? "sum" : "max");
        json_put_field(out, "splade_activation", sentence->splade.twice ? "log1p_relu" : "relu");
    }
    buf_puts(out, "\"prompts\":{");
    for (int i = 0; i < sentence->prompt_count; i++) {
        buf_puts(out, i ? "," : "");
        json_put_string(out, sentence->prompts[i].name, strlen(sentence->prompts[i].name));
        buf_putc(out, ':');
        json_put_string(out, sentence->prompts[i].text, strlen(sentence->prompts[i].text));
    }
    buf_puts(out, "},");
}

static void put_json(struct buf *out, const struct model_desc *desc, int threads)
{
    buf_putc(out, '{');
    json_put_field(out, "model", desc->name);
    json_put_field(out, "architecture", desc->architecture);
    json_put_field(out, "model_type", desc->model_type);
    json_put_field(out, "activation", desc->activation);
    json_put_field(out, "task", desc->task_name);
    json_put_field(out, "problem_type", problem_type_name(desc->problem_type));
    json_put_field(out, "function_to_apply", desc->sentence ? NULL : function_name(desc));
    put_json_embedding(out, desc);
    json_put_field(out, "stored", desc->stored);
    json_put_field(out, "precision", desc->precision);
    json_put_field(out, "isa", desc->isa);
    json_put_field(out, "processor", host_cpu_name());
    buf_puts(out, "\"labels\":[");
    for (int i = 0; i < desc->label_count; i++) {
        if (i)
            buf_putc(out, ',');
        json_put_string(out, desc->labels[i], strlen(desc->labels[i]));
    }
    buf_puts(out, "],\"paths\":[");
    put_paths(out, ",", "\"");
    buf_printf(
        out,
        "],\"layers\":%d,\"hidden\":%d,\"heads\":%d,\"intermediate\":%d,\"vocab_size\":%d,\"max_tokens\":%d,"
        "\"parameters\":%llu,\"packed_bytes\":%zu,\"mapped_bytes\":%zu,\"cores\":%d,\"threads\":%d}\n",
        desc->layers, desc->hidden, desc->heads, desc->intermediate, desc->vocab_size, desc->max_tokens,
        (unsigned long long)desc->parameters, desc->packed_bytes, desc->mapped_bytes, host_cores(), threads);
}

static int info_main(int argc, char **argv)
{
    struct setup setup;
    bool json = false;
    setup_default(&setup);
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "Output", NULL, 0, 0},
        {OPTION_FLAG, "json", NULL, "one JSON object", &json, 0, 0},
        REVISION_ROW(setup),
        TASK_ROWS(setup),
        SETUP_ROWS(setup),
    };
    const struct usage usage = {
        .line = "linnet info [options] [MODEL]",
        .text =
            "Loads MODEL, a directory or a Hub name (or the embedded model), and says what it is and how it "
            "runs here.",
        .examples = "  linnet info\n  linnet info --json ./my-model",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
    };
    const char *positional[1];
    size_t count;
    struct error err;
    struct model_files files;
    struct engine *engine;
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG || !setup_open(&setup, count ? positional[0] : NULL, &files, &engine, &err))
        return report(&err);
    struct buf out;
    buf_init(&out);
    (json ? put_json : put_text)(&out, &engine->desc, setup.threads);
    bool written =
        buf_ok(&out) && fwrite(out.bytes, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    if (!written)
        error_set_errno(&err, errno, "writing the output");
    buf_free(&out);
    engine_close(engine);
    model_files_close(&files);
    return written ? EXIT_OK : report(&err);
}

const struct command info_command = {"info", "say what a model is and how it runs here", info_main};
