#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/lines.h"
#include "cli/parity_report.h"
#include "cli/setup.h"
#include "engine/parity.h"

enum {
    CHUNK_ROWS = 64, /* read and computed together; fewer where they have many tokens */
    CHUNK_TOKENS = 512,
    CHUNK_BYTES = 1 << 20,
};

/* A row of the golden file: docs/format.md. */
struct golden {
    struct input input;
    struct item item;
    const float *wanted; /* [wanted_rows][columns]; NULL: its token ids are others */
    size_t wanted_rows;
    int wanted_label, gold;
    float wanted_score;
    size_t number;
};

struct verify {
    struct setup setup;
    const char *golden;
    bool json;

    struct engine *engine;
    struct lane *lane;
    struct lines lines;
    struct arena arena; /* of one chunk */
    struct parity parity;
    struct golden rows[CHUNK_ROWS];
    struct item *pointers[CHUNK_ROWS];
    size_t count, tokens;
    struct buf out;
};

/* --- Reading */

/* Puts file and line before the message. */
static bool bad_row(const struct verify *self, struct error *err)
{
    return error_prefix(err, "%s: line %zu", self->lines.name, self->lines.number);
}

/* A string field's label as its id; -1 where the field is missing. */
static bool read_label(const struct verify *self, const char *key, int *out, struct error *err)
{
    const struct model_desc *desc = &self->engine->desc;
    yyjson_val *value = yyjson_obj_get(self->lines.object, key);
    *out = -1;
    if (!value)
        return true;
    if (!yyjson_is_str(value))
        return error_set(err, ERR_BAD_INPUT, "\"%s\" is %s, want a label", key, json_type_words(value));
    for (int i = 0; i < desc->label_count; i++)
        if (yyjson_equals_str(value, desc->labels[i]))
            *out = i;
    return *out >= 0 || error_set(err, ERR_BAD_INPUT, "\"%s\" is \"%.80s\", which the model has no label of",
                                  key, yyjson_get_str(value));
}

static const char *row_word(const struct parity *parity)
{
    return parity->unit == PARITY_MASKS ? "mask" : "token";
}

/* A number of a field. A float has to hold it: what is infinite is no figure to hold a model against. */
static bool read_number(const char *key, yyjson_val *value, float *out, struct error *err)
{
    if (!yyjson_is_num(value))
        return error_set(err, ERR_BAD_INPUT, "\"%s\" has %s, want numbers", key, json_type_words(value));
    *out = (float)yyjson_get_num(value);
    return isfinite(*out) ||
           error_set(err, ERR_BAD_INPUT, "\"%s\" has %g, want numbers that a float can hold", key,
                     yyjson_get_num(value));
}

/* A list of one number a column to out[columns]. */
static bool read_numbers(const struct verify *self, const char *key, yyjson_val *list, float *out,
                         struct error *err)
{
    const struct parity *parity = &self->parity;
    size_t columns = (size_t)parity->columns, index, max;
    yyjson_val *value;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) != columns)
        return error_set(err, ERR_BAD_INPUT, "\"%s\" %s %s, want a list of %zu numbers%s", key,
                         parity_has_rows(parity) ? "has" : "is",
                         !list                 ? "missing"
                         : yyjson_is_arr(list) ? "a list of another length"
                                               : json_type_words(list),
                         columns,
                         parity->unit == PARITY_EMBEDDINGS ? ""
                         : parity->unit == PARITY_TOKENS   ? ", one a label, for each token"
                         : parity->unit == PARITY_MASKS    ? ", one a token of the vocabulary, for each mask"
                                                           : ", one a label");
    yyjson_arr_foreach (list, index, max, value)
        if (!read_number(key, value, &out[index], err))
            return false;
    return true;
}

/* "logits", or of a model that embeds "embedding". */
static bool read_wanted(struct verify *self, struct golden *row, struct error *err)
{
    const char *key = self->parity.unit == PARITY_EMBEDDINGS ? "embedding" : "logits";
    yyjson_val *list = yyjson_obj_get(self->lines.object, key), *numbers;
    size_t columns = (size_t)self->parity.columns, index, max;
    const bool rows = parity_has_rows(&self->parity);
    if (rows && !yyjson_is_arr(list))
        return error_set(err, ERR_BAD_INPUT, "\"%s\" is %s, want a list of lists, one for each %s", key,
                         list ? json_type_words(list) : "missing", row_word(&self->parity));
    row->wanted_rows = rows ? yyjson_arr_size(list) : 1;
    float *wanted = arena_alloc(&self->arena, row->wanted_rows * columns * sizeof *wanted);
    if (!wanted)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu numbers", row->wanted_rows * columns);
    row->wanted = wanted;
    if (!rows)
        return read_numbers(self, key, list, wanted, err);
    yyjson_arr_foreach (list, index, max, numbers)
        if (!read_numbers(self, key, numbers, wanted + index * columns, err))
            return false;
    return true;
}

/* Compares the ids that the row has, if it has any, with those of its item. */
static bool compare_ids(struct verify *self, const struct golden *row, bool *equal, struct error *err)
{
    yyjson_val *list = yyjson_obj_get(self->lines.object, "ids"), *value;
    size_t index, max;
    *equal = true;
    if (!list)
        return true;
    if (!yyjson_is_arr(list))
        return error_set(err, ERR_BAD_INPUT, "\"ids\" is %s, want a list of token ids",
                         json_type_words(list));
    *equal = yyjson_arr_size(list) == row->item.length;
    yyjson_arr_foreach (list, index, max, value) {
        if (!yyjson_is_int(value))
            return error_set(err, ERR_BAD_INPUT, "\"ids\" has %s, want whole numbers",
                             json_type_words(value));
        *equal = *equal && yyjson_get_sint(value) == row->item.ids[index];
    }
    parity_add_ids(&self->parity, *equal, row->number, row->input.text, row->input.text_length);
    return true;
}

/* "label", "score" and "gold", which texts have. */
static bool read_answer(const struct verify *self, struct golden *row, struct error *err)
{
    yyjson_val *score = yyjson_obj_get(self->lines.object, "score");
    row->wanted_label = row->gold = -1;
    row->wanted_score = NAN;
    if (self->parity.unit != PARITY_TEXTS)
        return true;
    if (score && !yyjson_is_num(score))
        return error_set(err, ERR_BAD_INPUT, "\"score\" is %s, want a number", json_type_words(score));
    if (score && !read_number("score", score, &row->wanted_score, err))
        return false;
    if (!read_label(self, "label", &row->wanted_label, err) || !read_label(self, "gold", &row->gold, err))
        return false;
    if (row->wanted_label < 0)
        row->wanted_score = NAN;
    return true;
}

static bool read_row(struct verify *self, struct golden *row, struct error *err)
{
    bool ids_equal;
    row->number = self->lines.number;
    if (!read_wanted(self, row, err) || !read_answer(self, row, err) ||
        !parity_prepare(self->engine, &row->input, &self->arena, &row->item, err) ||
        !compare_ids(self, row, &ids_equal, err))
        return false;
    if (!parity_has_rows(&self->parity) || row->wanted_rows == row->item.row_count)
        return true;
    row->wanted = NULL;
    return !ids_equal ||
           error_set(err, ERR_BAD_INPUT,
                     "\"logits\" is a list of %zu, the text has %zu %ss: want a list of numbers for each",
                     row->wanted_rows, row->item.row_count, row_word(&self->parity));
}

/* Reads up to a chunk. False where a row is wrong or reading failed; an empty chunk is the end. */
static bool read_chunk(struct verify *self, struct error *err)
{
    const size_t most = parity_together(&self->engine->desc, CHUNK_ROWS);
    self->count = self->tokens = 0;
    arena_reset(&self->arena);
    while (self->count < most && self->tokens < CHUNK_TOKENS) {
        struct golden *row = &self->rows[self->count];
        enum line_result result = lines_next(&self->lines, &self->arena, &row->input, err);
        if (result == LINE_END)
            return true;
        if (result == LINE_BROKEN)
            return false;
        if (result == LINE_BAD || !read_row(self, row, err))
            return bad_row(self, err);
        self->pointers[self->count++] = &row->item;
        self->tokens += row->item.length;
    }
    return true;
}

static bool compare(struct verify *self, struct error *err)
{
    for (;;) {
        if (!read_chunk(self, err))
            return false;
        if (self->count == 0)
            break;
        lane_run(self->lane, self->pointers, self->count);
        for (size_t i = 0; i < self->count; i++) {
            const struct golden *row = &self->rows[i];
            const struct parity_row parity_row = {
                .number = row->number,
                .text = row->input.text,
                .text_length = row->input.text_length,
                .item = &row->item,
                .logits = row->item.error == ERR_NONE ? row->item.rows : NULL,
                .wanted = row->wanted,
                .wanted_label = row->wanted_label,
                .wanted_score = row->wanted_score,
                .gold = row->gold,
            };
            parity_add(&self->parity, &parity_row);
        }
    }
    if (self->parity.texts == 0)
        return error_set(err, ERR_BAD_INPUT, "%s has no rows, want a JSON object a line: docs/format.md",
                         self->lines.name);
    return true;
}

/* --- Output */

/* Prints the report; false where writing failed or a bound is not kept. */
static bool conclude(struct verify *self, struct error *err)
{
    bool within = parity_check(&self->parity, err);
    if (self->json)
        parity_put_json(&self->out, &self->parity, self->lines.name, within ? NULL : err->message);
    else
        parity_put_text(&self->out, &self->parity, self->lines.name);
    if (!within)
        error_prefix(err, "not within the bounds of %s", self->parity.desc->precision);
    else if (!self->json)
        buf_printf(&self->out, "within the bounds of %s\n", self->parity.desc->precision);
    if (!buf_ok(&self->out))
        return error_set(err, ERR_NO_MEMORY, "no memory for the report");
    if (fwrite(self->out.bytes, 1, self->out.length, stdout) != self->out.length || fflush(stdout) != 0)
        return error_set_errno(err, errno, "writing the report");
    return within;
}

static bool verify_with(struct verify *self, struct error *err)
{
    self->lane = lane_open(self->engine, self->setup.threads, err);
    if (!self->lane)
        return false;
    bool ok = false;
    arena_init(&self->arena, CHUNK_BYTES, SIZE_MAX);
    buf_init(&self->out);
    if (parity_init(&self->parity, &self->engine->desc, native_tokenizer(self->engine), err)) {
        ok = compare(self, err) && conclude(self, err);
        parity_free(&self->parity);
    }
    buf_free(&self->out);
    arena_free(&self->arena);
    lane_close(self->lane);
    return ok;
}

static bool verify_model(struct verify *self, const char *model, struct error *err)
{
    struct model_files files;
    if (!self->golden)
        return error_set(err, ERR_USAGE,
                         "verify wants --golden FILE, the logits that the model should give: see --help");
    if (!lines_open(&self->lines, strcmp(self->golden, "-") == 0 ? NULL : self->golden, "jsonl", err))
        return false;
    bool ok = setup_open(&self->setup, model, &files, &self->engine, err);
    if (ok) {
        ok = verify_with(self, err);
        engine_close(self->engine);
        model_files_close(&files);
    }
    lines_close(&self->lines);
    return ok;
}

static int verify_main(int argc, char **argv)
{
    static struct verify self;
    setup_default(&self.setup);
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "Input and output", NULL, 0, 0},
        {OPTION_STRING, "golden", "FILE",
         "a JSON object a line: \"text\", \"logits\" or \"embedding\"; docs/format.md has the rest",
         &self.golden, 0, 0},
        {OPTION_FLAG, "json", NULL, "one JSON object", &self.json, 0, 0},
        REVISION_ROW(self.setup),
        TASK_ROWS(self.setup),
        SETUP_ROWS(self.setup),
    };
    const struct usage usage = {
        .line = "linnet verify [options] --golden FILE [MODEL]",
        .text = "Computes the texts of FILE with MODEL, a directory or a Hub name (or the embedded\n"
                "model), and says how far logits, scores, labels, embeddings and token ids are from\n"
                "those in FILE, with the text that each worst figure comes from. Exit code 1 where they\n"
                "are not within the bounds of the precision: fp32, logits max(2e-5, 1e-5 of the logit),\n"
                "scores 1e-5, no other label, no other token id; bf16, scores 0.02, no other label;\n"
                "int8, scores 0.16, other labels in 5 of 872 texts. Of token classification and\n"
                "fill-mask the same, of those tokens and masks that are clear (docs/format.md).\n"
                "Embeddings: fp32, elements 1e-5, cosine 0.999999; bf16, cosine 0.999; int8, cosine\n"
                "0.98.",
        .examples = "  linnet verify --golden tests/golden/sst2-minilm.jsonl\n"
                    "  linnet verify --precision fp32 --isa avx2 --golden golden.jsonl ./my-model",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
    };
    const char *positional[1];
    size_t count;
    struct error err;
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG || !verify_model(&self, count ? positional[0] : NULL, &err))
        return report(&err);
    return EXIT_OK;
}

const struct command verify_command = {"verify", "hold a model against golden logits", verify_main};
