#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/lines.h"
#include "cli/setup.h"

enum { LINE_BYTES = 1 << 20 /* kept between lines */ };

struct tokenizing {
    struct setup setup;
    const char *input;
    bool no_truncation, offsets;
    struct lines lines;
    struct arena arena; /* of one line */
    struct buf out;
    unsigned long long texts, failed, truncated;
};

/* As the tokenizers package gives them: characters of the token's text, its word's number there, and whether
 * it is a special token put around the texts. */
static void put_places(struct buf *out, const struct token_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s[%u,%u]", i ? "," : "],\"offsets\":[", places[i].start, places[i].end);
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? "," : "],\"words\":[");
        if (places[i].word < 0)
            buf_puts(out, "null");
        else
            buf_printf(out, "%d", (int)places[i].word);
    }
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%d", i ? "," : "],\"special_tokens_mask\":[", places[i].word < 0);
}

static void put_row(struct buf *out, const struct tokenizer *tokenizer, const struct item *item, bool pair)
{
    buf_clear(out);
    for (size_t i = 0; i < item->length; i++)
        buf_printf(out, "%s%d", i ? "," : "{\"ids\":[", (int)item->ids[i]);
    for (size_t i = 0; i < item->length; i++) {
        const struct token_text token = tokenizer_token(tokenizer, item->ids[i]);
        buf_puts(out, i ? "," : "],\"tokens\":[");
        json_put_string(out, token.text, token.length);
    }
    for (size_t i = 0; pair && i < item->length; i++)
        buf_printf(out, "%s%d", i ? "," : "],\"type_ids\":[", item->type_ids[i]);
    if (item->places)
        put_places(out, item->places, item->length);
    buf_puts(out, item->length < item->full_length ? "],\"truncated\":true}\n" : "]}\n");
}

static bool stream(struct tokenizing *self, const struct engine *engine, struct error *err)
{
    const struct prepare_options options = {.truncate = !self->no_truncation, .places = self->offsets};
    struct input input;
    struct item item;
    for (;;) {
        arena_reset(&self->arena);
        enum line_result result = lines_next(&self->lines, &self->arena, &input, err);
        if (result == LINE_END)
            break;
        if (result == LINE_BROKEN)
            return false;
        if (result == LINE_BAD || !engine_prepare(engine, &input, &options, &self->arena, &item, err)) {
            fprintf(stderr, "linnet: %s: line %zu: %s\n", self->lines.name, self->lines.number, err->message);
            self->failed++;
            continue;
        }
        put_row(&self->out, native_tokenizer(engine), &item, input.pair != NULL);
        if (!buf_ok(&self->out))
            return error_set(err, ERR_NO_MEMORY, "no memory for the output of line %zu", self->lines.number);
        if (fwrite(self->out.bytes, 1, self->out.length, stdout) != self->out.length)
            return error_set_errno(err, errno, "writing the output");
        self->texts++;
        self->truncated += item.length < item.full_length;
    }
    if (fflush(stdout) != 0)
        return error_set_errno(err, errno, "writing the output");
    if (self->truncated)
        fprintf(stderr, "linnet: %llu of %llu texts were truncated to %d tokens\n", self->truncated,
                self->texts, engine->desc.max_tokens);
    return true;
}

static bool tokenize(struct tokenizing *self, const char *model, const char *file, struct error *err)
{
    struct model_files files;
    struct engine *engine;
    if (!lines_open(&self->lines, file, self->input, err))
        return false;
    bool ok = setup_open(&self->setup, model, &files, &engine, err);
    if (ok) {
        arena_init(&self->arena, LINE_BYTES, SIZE_MAX);
        buf_init(&self->out);
        ok = stream(self, engine, err);
        buf_free(&self->out);
        arena_free(&self->arena);
        engine_close(engine);
        model_files_close(&files);
    }
    lines_close(&self->lines);
    return ok;
}

static int tokenize_main(int argc, char **argv)
{
    struct tokenizing self = {.input = "lines"};
    setup_default(&self.setup);
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "Input", NULL, 0, 0},
        {OPTION_STRING, "input", "FORMAT",
         "lines: a text a line; jsonl: objects with \"text\", \"text_pair\" (default lines)", &self.input, 0,
         0},
        {OPTION_FLAG, "no-truncation", NULL, "report texts over the model's limit instead of cutting them",
         &self.no_truncation, 0, 0},
        {OPTION_FLAG, "offsets", NULL,
         "add each token's characters as \"offsets\", \"words\" and \"special_tokens_mask\"", &self.offsets,
         0, 0},
        REVISION_ROW(self.setup),
    };
    const struct usage usage = {
        .line = "linnet tokenize [options] [MODEL] [FILE]",
        .text = "Writes the tokens of each line of FILE (or of standard input) as a JSON object a line,\n"
                "in order: {\"ids\": [...], \"tokens\": [...]}, special tokens included, for pairs also\n"
                "\"type_ids\".",
        .examples = "  echo 'I love you.' | linnet tokenize\n"
                    "  linnet tokenize --input jsonl ./my-model texts.jsonl",
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
        !tokenize(&self, model, file, &err))
        return report(&err);
    return self.failed ? EXIT_SOME_FAILED : EXIT_OK;
}

const struct command tokenize_command = {"tokenize", "show the tokens of the lines of a file", tokenize_main};
