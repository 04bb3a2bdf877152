#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/lines.h"
#include "cli/parity_report.h"
#include "cli/setup.h"
#include "model/quantise.h"

enum {
    CHUNK_TEXTS = 64, /* read and computed together; fewer where they have many tokens */
    CHUNK_TOKENS = 512,
    CHUNK_BYTES = 1 << 20,
    MAX_PATH = 4096,
};

/* A model that computes the texts: the original at fp32, or what was written. */
struct side {
    struct model_files files;
    struct engine *engine;
    struct lane *lane;
    struct item items[CHUNK_TEXTS];
    struct item *pointers[CHUNK_TEXTS];
};

struct quantize {
    struct setup setup;
    const char *to, *directory, *texts, *input;
    bool force;

    enum precision precision;
    char partial[MAX_PATH];    /* where the directory is written until it is complete */
    pthread_mutex_t finishing; /* who has it decides whether what was written becomes DIR or goes */
    struct lines lines;
    struct arena arena; /* of one chunk */
    struct side original, written;
    struct input inputs[CHUNK_TEXTS];
    size_t numbers[CHUNK_TEXTS];
    size_t count;
    struct parity parity;
    struct buf report;
};

/* --- Directories */

static bool path_in(char path[MAX_PATH], const char *directory, const char *name, struct error *err)
{
    return snprintf(path, MAX_PATH, "%s/%s", directory, name) < MAX_PATH ||
           error_set(err, ERR_USAGE, "%.200s...: the path has more than %d bytes", directory, MAX_PATH - 1);
}

static bool remove_file(const char *path)
{
    return unlink(path) == 0;
}

/* Of a directory whose entries `removes` can remove. False: something is left of it. */
static bool remove_directory_of(const char *directory, bool (*removes)(const char *path))
{
    DIR *list = opendir(directory);
    struct dirent *entry;
    struct error err;
    char path[MAX_PATH];
    while (list && (entry = readdir(list)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            path_in(path, directory, entry->d_name, &err))
            removes(path);
    if (list)
        closedir(list);
    return rmdir(directory) == 0 || errno == ENOENT;
}

/* Of a folder of files. What an entry is, unlink() tells: some file systems have no d_type. */
static bool remove_file_or_folder(const char *path)
{
    return remove_file(path) || remove_directory_of(path, remove_file);
}

/* Of a directory that holds files and folders of files. False: something is left of it. */
static bool remove_directory(const char *directory)
{
    return remove_directory_of(directory, remove_file_or_folder);
}

/* Beside a thread that may still write: under another name no file is added but by a call that is under way
 * already, which another pass takes away. */
static void remove_unfinished(const char *partial)
{
    char away[MAX_PATH + 8];
    snprintf(away, sizeof away, "%s.gone", partial);
    const char *directory = rename(partial, away) == 0 ? away : partial;
    for (int pass = 0; pass < 10 && !remove_directory(directory); pass++)
        ;
}

/* Waits for a signal that ends the process, takes away what was not finished, and ends it so: the mutex stays
 * taken, so that the main thread neither finishes nor ends the process otherwise. */
static void *remove_at_signal(void *argument)
{
    struct quantize *self = argument;
    sigset_t signals;
    int signal_number;
    pthread_sigmask(SIG_BLOCK, NULL, &signals);
    sigwait(&signals, &signal_number);
    pthread_mutex_lock(&self->finishing);
    remove_unfinished(self->partial);
    signal(signal_number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    raise(signal_number);
    return NULL;
}

/* Before there are other threads, which take over that the signals are blocked. One that is ignored stays so:
 * blocked it would be queued all the same (signal(7)), and end what nohup started. */
static bool guard_partial(struct quantize *self, struct error *err)
{
    static const int ending[] = {SIGHUP, SIGINT, SIGTERM};
    sigset_t signals;
    pthread_t thread;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct sigaction now;
        if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&signals, ending[i]);
    }
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    int problem = pthread_create(&thread, NULL, remove_at_signal, self);
    if (problem)
        return error_set_errno(err, problem, "starting a thread");
    pthread_detach(thread);
    return true;
}

/* Beside the directory that is asked for, so that renaming it into place is one step. */
static bool make_partial(struct quantize *self, struct error *err)
{
    struct stat info;
    if (stat(self->directory, &info) == 0)
        return error_set(err, ERR_USAGE, "%.300s exists already; want -o DIR that does not", self->directory);
    size_t length = strlen(self->directory);
    while (length > 1 && self->directory[length - 1] == '/')
        length--;
    if (length + 16 > MAX_PATH)
        return error_set(err, ERR_USAGE, "%.200s...: the path is too long", self->directory);
    snprintf(self->partial, sizeof self->partial, "%.*s.XXXXXX", (int)length, self->directory);
    if (!mkdtemp(self->partial) || chmod(self->partial, 0755) != 0)
        return error_set_errno(err, errno, "making a directory beside %.300s", self->directory);
    return true;
}

/* --- Parity */

static bool open_side(struct side *side, const struct setup *setup, const char *model, const char *precision,
                      struct error *err)
{
    struct setup own = *setup;
    own.precision = precision;
    if (!setup_open(&own, model, &side->files, &side->engine, err))
        return false;
    side->lane = lane_open(side->engine, setup->threads, err);
    if (side->lane)
        return true;
    engine_close(side->engine);
    model_files_close(&side->files);
    return false;
}

static void close_side(struct side *side)
{
    lane_close(side->lane);
    engine_close(side->engine);
    model_files_close(&side->files);
}

static bool compute(struct quantize *self, struct side *side, struct error *err)
{
    for (size_t i = 0; i < self->count; i++) {
        side->pointers[i] = &side->items[i];
        if (!parity_prepare(side->engine, &self->inputs[i], &self->arena, &side->items[i], err))
            return error_prefix(err, "%s: line %zu", self->lines.name, self->numbers[i]);
    }
    lane_run(side->lane, side->pointers, self->count);
    return true;
}

/* Reads up to a chunk; an empty one is the end. */
static bool read_chunk(struct quantize *self, struct error *err)
{
    const size_t most = parity_together(&self->original.engine->desc, CHUNK_TEXTS);
    size_t bytes = 0;
    self->count = 0;
    arena_reset(&self->arena);
    while (self->count < most && bytes < CHUNK_TOKENS * 4) {
        struct input *input = &self->inputs[self->count];
        enum line_result result = lines_next(&self->lines, &self->arena, input, err);
        if (result == LINE_END)
            return true;
        if (result == LINE_BROKEN)
            return false;
        if (result == LINE_BAD)
            return error_prefix(err, "%s: line %zu", self->lines.name, self->lines.number);
        self->numbers[self->count++] = self->lines.number;
        bytes += input->text_length + input->pair_length;
    }
    return true;
}

static bool compare(struct quantize *self, struct error *err)
{
    for (;;) {
        if (!read_chunk(self, err))
            return false;
        if (self->count == 0)
            break;
        if (!compute(self, &self->original, err) || !compute(self, &self->written, err))
            return false;
        for (size_t i = 0; i < self->count; i++) {
            const struct item *wanted = &self->original.items[i], *got = &self->written.items[i];
            if (wanted->error != ERR_NONE)
                return error_set(err, ERR_BAD_INPUT, "%s: line %zu: at fp32 the model gives no finite result",
                                 self->lines.name, self->numbers[i]);
            const struct parity_row row = {
                .number = self->numbers[i],
                .text = self->inputs[i].text,
                .text_length = self->inputs[i].text_length,
                .item = got,
                .logits = got->error == ERR_NONE ? got->rows : NULL,
                .wanted = wanted->rows,
                .wanted_label = -1,
                .wanted_score = NAN,
                .gold = -1,
            };
            parity_add(&self->parity, &row);
        }
    }
    return self->parity.texts > 0 || error_set(err, ERR_BAD_INPUT, "%s has no texts", self->lines.name);
}

/* Prints the report and stores it beside the weights. */
static bool put_report(struct quantize *self, const char *failure, struct error *err)
{
    char path[MAX_PATH];
    if (!path_in(path, self->partial, "parity.json", err))
        return false;
    buf_clear(&self->report);
    parity_put_text(&self->report, &self->parity, self->lines.name);
    if (buf_ok(&self->report) && (fputs(self->report.bytes, stdout) == EOF || fflush(stdout) != 0))
        return error_set_errno(err, errno, "writing the report");
    buf_clear(&self->report);
    parity_put_json(&self->report, &self->parity, self->lines.name, failure);
    if (!buf_ok(&self->report))
        return error_set(err, ERR_NO_MEMORY, "no memory for the report");
    FILE *file = fopen(path, "we");
    bool ok = file && fwrite(self->report.bytes, 1, self->report.length, file) == self->report.length;
    ok = file && fclose(file) == 0 && ok;
    return ok || error_set_errno(err, errno, "%s", path);
}

/* Holds what was written against the original; false also where a bound is not kept and --force not given. */
static bool check_with(struct quantize *self, struct error *err)
{
    struct error bounds;
    const struct engine *engine = self->written.engine;
    if (!parity_init(&self->parity, &engine->desc, native_tokenizer(engine), err))
        return false;
    bool ok = compare(self, err);
    if (ok) {
        bool within = parity_check(&self->parity, &bounds);
        ok = put_report(self, within ? NULL : bounds.message, err);
        if (ok && !within && !self->force)
            ok = error_set(err, ERR_BAD_MODEL,
                           "not within the bounds of %s: %.300s; nothing was written (--force writes it)",
                           self->to, bounds.message);
    }
    parity_free(&self->parity);
    return ok;
}

static bool check_parity(struct quantize *self, const char *model, struct error *err)
{
    if (!self->texts)
        return true;
    if (!lines_open(&self->lines, strcmp(self->texts, "-") == 0 ? NULL : self->texts, self->input, err))
        return false;
    bool ok = open_side(&self->original, &self->setup, model, "fp32", err);
    if (ok) {
        ok = open_side(&self->written, &self->setup, self->partial, self->to, err);
        if (ok) {
            self->written.engine->desc.name = self->directory; /* what the report calls it */
            arena_init(&self->arena, CHUNK_BYTES, SIZE_MAX);
            buf_init(&self->report);
            ok = check_with(self, err);
            buf_free(&self->report);
            arena_free(&self->arena);
            close_side(&self->written);
        }
        close_side(&self->original);
    }
    lines_close(&self->lines);
    return ok;
}

/* --- The command */

static bool choose_precision(struct quantize *self, struct error *err)
{
    if (!self->directory || !*self->directory)
        return error_set(err, ERR_USAGE, "quantize wants --output DIR, which it makes");
    self->precision = strcmp(self->to, "int8") == 0 ? PRECISION_INT8 : PRECISION_BF16;
    return strcmp(self->to, "int8") == 0 || strcmp(self->to, "bf16") == 0 ||
           error_set(err, ERR_USAGE, "--to is \"%.40s\", want int8 or bf16", self->to);
}

static bool write_partial(struct quantize *self, const char *model, struct error *err)
{
    struct model_files files;
    const struct kernels *kernels = kern_select(self->setup.isa, err);
    if (!kernels || !setup_files(&self->setup, model, &files, err))
        return false;
    bool ok = quantise_files(&files, kernels, self->precision, self->partial, err);
    if (!ok)
        error_prefix(err, "%s", files.name);
    model_files_close(&files);
    return ok;
}

static void print_sizes(const struct quantize *self)
{
    char path[MAX_PATH];
    struct stat info;
    struct error err;
    if (path_in(path, self->directory, "model.safetensors", &err) && stat(path, &info) == 0)
        printf("wrote        %s, %s, %.1f MB of weights\n", self->directory, self->to,
               (double)info.st_size * 1e-6);
}

/* Gives what was written its name, or takes it away where it is not good. */
static bool finish(struct quantize *self, bool good, struct error *err)
{
    pthread_mutex_lock(&self->finishing);
    if (good && rename(self->partial, self->directory) != 0)
        good = error_set_errno(err, errno, "renaming %s to %.300s", self->partial, self->directory);
    if (!good)
        remove_directory(self->partial);
    pthread_mutex_unlock(&self->finishing);
    return good;
}

static bool quantize_model(struct quantize *self, const char *model, struct error *err)
{
    if (!choose_precision(self, err) || !make_partial(self, err))
        return false;
    bool good = guard_partial(self, err) && write_partial(self, model, err) && check_parity(self, model, err);
    if (!finish(self, good, err))
        return false;
    print_sizes(self);
    return true;
}

static int quantize_main(int argc, char **argv)
{
    static struct quantize self = {.to = "int8", .input = "lines", .finishing = PTHREAD_MUTEX_INITIALIZER};
    setup_default(&self.setup);
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "What is written", NULL, 0, 0},
        {OPTION_STRING, "to", "NAME", "int8 or bf16 (default int8)", &self.to, 0, 0},
        {OPTION_STRING, "output", "DIR", "the directory to make", &self.directory, 0, 0},
        {OPTION_GROUP, NULL, NULL, "Parity with fp32", NULL, 0, 0},
        {OPTION_STRING, "texts", "FILE", "texts to compare on; - is stdin", &self.texts, 0, 0},
        {OPTION_STRING, "input", "FORMAT", "lines, or jsonl with \"text\" and \"text_pair\" (default lines)",
         &self.input, 0, 0},
        {OPTION_FLAG, "force", NULL, "write even where the bounds are not kept", &self.force, 0, 0},
        TASK_ROWS(self.setup),
        {OPTION_GROUP, NULL, NULL, "Computing", NULL, 0, 0},
        {OPTION_STRING, "isa", "NAME", "at most this kernel path (default: the best)", &self.setup.isa, 0, 0},
        REVISION_ROW(self.setup),
        {OPTION_INT, "threads", "N", "threads that compute (default: the cores this process may use)",
         &self.setup.threads, 1, 1024},
    };
    const struct usage usage = {
        .line = "linnet quantize [options] --output DIR [MODEL]",
        .text = "Writes MODEL, a directory in Hugging Face form or a Hub name (or the embedded model),\n"
                "to a new directory DIR in another precision: smaller on disk, and served in that\n"
                "precision without --precision. The form is docs/format.md. With --texts it computes\n"
                "these texts with both, prints how far apart they are, stores that as DIR/parity.json,\n"
                "and writes nothing where the bounds are not kept: int8, scores 0.16, other labels in 5\n"
                "of 872 texts, tokens or masks; bf16, scores 0.02, no other label; embeddings, a cosine\n"
                "of 0.98 (int8) or 0.999 (bf16). Of a fill-mask model each text needs a mask; of one\n"
                "for zero-shot classification give pairs of texts and hypotheses (--input jsonl).",
        .examples = "  linnet quantize --output ./my-model-int8 ./my-model\n"
                    "  linnet quantize --to int8 --texts sentences.txt --output ./my-model-int8 ./my-model",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
    };
    const char *positional[1];
    size_t count;
    struct error err;
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG || !quantize_model(&self, count ? positional[0] : NULL, &err))
        return report(&err);
    return EXIT_OK;
}

const struct command quantize_command = {"quantize", "write a model in int8 or bf16", quantize_main};
