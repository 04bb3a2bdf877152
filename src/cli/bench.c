#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/setup.h"
#include "sched/budget.h"

enum {
    MAX_LIST = 16, /* values of an option */
    MAX_CASES = MAX_LIST * MAX_LIST + MAX_LIST + 1,
    MAX_TOKENS = 65536,
    MAX_TEXTS = 1024,
    PATIENCE_NS = 2000000000,              /* before progress is shown */
    MIXED_TOKENS = BENCH_MIXED_COUNT * 64, /* about: 62 words a text */
};

struct list {
    int values[MAX_LIST];
    size_t count;
};

struct bench_command {
    struct setup setup; /* setup.precision is a list */
    const char *tokens, *batch;
    int seconds;
    bool json;

    struct list token_list, batch_list;
    char precision_words[200];
    const char *precisions[MAX_LIST];
    size_t precision_count;

    double seconds_left;
    size_t cases_left;
    uint64_t begin_ns;
    bool progress; /* stderr is a terminal */
    struct bench bench;
    struct bench_result results[MAX_CASES], sizes[BUDGET_SIZES];
    struct buf out;
};

/* --- Options */

static bool parse_list(const char *name, const char *text, int max, struct list *out, struct error *err)
{
    const char *at = text;
    out->count = 0;
    for (;;) {
        char *end;
        errno = 0;
        long value = strtol(at, &end, 10);
        if (errno || end == at || value < 1 || value > max || (*end && *end != ',') || out->count == MAX_LIST)
            return error_set(
                err, ERR_USAGE,
                "--%s is \"%.60s\", want up to %d whole numbers from 1 to %d with commas between, as 1,15",
                name, text, MAX_LIST, max);
        out->values[out->count++] = (int)value;
        if (!*end)
            return true;
        at = end + 1;
    }
}

/* Splits and checks the list of precisions, before anything is measured. */
static bool parse_precisions(struct bench_command *self, struct error *err)
{
    struct native_options options = setup_native(&self->setup);
    int length = snprintf(self->precision_words, sizeof self->precision_words, "%s", self->setup.precision);
    if (length < 0 || (size_t)length >= sizeof self->precision_words)
        return error_set(err, ERR_USAGE, "--precision has %d bytes, want a few names with commas between",
                         length);
    char *rest = self->precision_words, *word;
    while ((word = strsep(&rest, ","))) {
        if (self->precision_count == MAX_LIST)
            return error_set(err, ERR_USAGE, "--precision has more than %d names", MAX_LIST);
        self->precisions[self->precision_count++] = options.precision = word;
        if (!native_check(&options, err))
            return false;
    }
    return true;
}

/* --- What is measured */

/* Lengths that the model does not take: refused where they were asked for, else passed over. */
static bool check_lengths(struct bench_command *self, const struct model_desc *desc, struct list *out,
                          struct error *err)
{
    out->count = 0;
    for (size_t i = 0; i < self->token_list.count; i++) {
        int tokens = self->token_list.values[i];
        if (tokens <= desc->max_tokens)
            out->values[out->count++] = tokens;
        else if (self->tokens)
            return error_set(err, ERR_USAGE, "--tokens has %d, the model takes %d", tokens, desc->max_tokens);
    }
    return true;
}

static size_t plan(const struct bench_command *self, const struct list *tokens, struct bench_case cases[])
{
    size_t count = 0;
    int latest = 0;
    for (size_t b = 0; b < self->batch_list.count; b++)
        for (size_t t = 0; t < tokens->count; t++)
            cases[count++] = (struct bench_case){BENCH_TEXTS, self->batch_list.values[b], tokens->values[t]};
    for (size_t b = 0; b < self->batch_list.count; b++) {
        int texts =
            self->batch_list.values[b] < BENCH_MIXED_COUNT ? self->batch_list.values[b] : BENCH_MIXED_COUNT;
        if (texts != latest)
            cases[count++] = (struct bench_case){BENCH_MIXED_TEXTS, texts, 0};
        latest = texts;
    }
    return count;
}

static void show_progress(const struct bench_command *self)
{
    if (self->progress && clock_ns() - self->begin_ns > PATIENCE_NS)
        fprintf(stderr, "\r\033[Kmeasuring: %zu cases, about %.0f s left", self->cases_left,
                self->seconds_left);
}

static void clear_progress(const struct bench_command *self)
{
    if (self->progress)
        fputs("\r\033[K", stderr);
}

/* Gives the case its share of the time that is left; a large one may need a quarter of it. */
static bool run_case(struct bench_command *self, const struct bench_case *what, struct bench_result *out,
                     struct error *err)
{
    show_progress(self);
    uint64_t begin = clock_ns();
    double left = self->seconds_left > 0 ? self->seconds_left : 0, share = left / (double)self->cases_left;
    bool ran = bench_run(&self->bench, what, share, share > left / 4 ? share : left / 4, out, err);
    self->seconds_left -= (double)(clock_ns() - begin) * 1e-9;
    self->cases_left--;
    return ran;
}

static int case_tokens(const struct bench_case *what)
{
    return what->kind == BENCH_TEXTS ? what->texts * what->tokens : MIXED_TOKENS;
}

/* The cheapest case that did not run yet: where time is short, the largest are left out. */
static size_t next_case(const struct bench_case cases[], const bool done[], size_t count)
{
    size_t next = count;
    for (size_t i = 0; i < count; i++)
        if (!done[i] && (next == count || case_tokens(&cases[i]) < case_tokens(&cases[next])))
            next = i;
    return next;
}

/* Up to the first size that is too slow to be chosen. */
static bool measure_sizes(struct bench_command *self, struct error *err)
{
    bool too_slow = false;
    for (int i = 0; i < BUDGET_SIZES; i++) {
        self->sizes[i] = (struct bench_result){0};
        if (too_slow) {
            self->cases_left--;
            continue;
        }
        int texts = (int)budget_tokens(i) / BENCH_SHORT_TOKENS;
        const struct bench_case size = {BENCH_SIZE, texts, BENCH_SHORT_TOKENS};
        if (!run_case(self, &size, &self->sizes[i], err))
            return false;
        too_slow = self->sizes[i].median * 1e3 > BUDGET_MAX_BATCH_MS;
    }
    return true;
}

static bool measure(struct bench_command *self, const struct list *tokens, struct bench_report *report,
                    struct error *err)
{
    struct bench_case cases[MAX_CASES];
    bool done[MAX_CASES] = {false};
    if (!measure_sizes(self, err))
        return false;
    size_t count = plan(self, tokens, cases), pinned = bench_batch_tokens(self->sizes, BUDGET_SIZES);
    cases[count++] = (struct bench_case){BENCH_MIXED_TOKENS, 0, (int)(pinned ? pinned : budget_tokens(0))};
    for (size_t i = 0; i < count; i++) {
        size_t next = next_case(cases, done, count);
        done[next] = true;
        if (!run_case(self, &cases[next], &self->results[next], err))
            return false;
    }
    *report = (struct bench_report){
        .desc = &self->bench.engine->desc,
        .results = self->results,
        .count = count,
        .sizes = self->sizes,
        .size_count = BUDGET_SIZES,
        .batch_tokens = pinned,
        .product_peak = self->bench.product_peak,
        .attention_peak = self->bench.attention_peak,
    };
    return true;
}

/* --- Output */

static bool write_out(struct bench_command *self, struct error *err)
{
    clear_progress(self);
    if (!buf_ok(&self->out))
        return error_set(err, ERR_NO_MEMORY, "no memory for the output");
    if (fwrite(self->out.bytes, 1, self->out.length, stdout) != self->out.length || fflush(stdout) != 0)
        return error_set_errno(err, errno, "writing the output");
    buf_clear(&self->out);
    return true;
}

static bool bench_precision(struct bench_command *self, const struct engine *engine, size_t index,
                            struct error *err)
{
    struct list tokens;
    struct bench_report report;
    struct bench_case cases[MAX_CASES];
    const struct model_desc *desc = &engine->desc;
    if (!check_lengths(self, desc, &tokens, err))
        return false;
    if (index == 0)
        self->cases_left = (plan(self, &tokens, cases) + BUDGET_SIZES + 1) * self->precision_count;
    if (!bench_open(&self->bench, engine, self->setup.threads, err))
        return false;
    bool measured = measure(self, &tokens, &report, err);
    bench_close(&self->bench);
    if (!measured)
        return false;
    if (self->json) {
        buf_puts(&self->out, index ? "," : "{");
        if (index == 0) {
            bench_put_json_head(&self->out, desc, self->setup.threads);
            buf_puts(&self->out, "\"precisions\":[");
        }
        bench_put_json(&self->out, &report);
        return true;
    }
    if (index == 0)
        bench_put_head(&self->out, desc, self->setup.threads);
    bench_put_table(&self->out, &report);
    return write_out(self, err);
}

/* Seconds of processor time that all programs have used since the machine started, and this one. 0 where the
 * system does not say. proc(5): user, nice, system, idle, iowait, irq, softirq, steal. */
struct load {
    double all, own;
};

static struct load read_load(void)
{
    struct load load = {0};
    unsigned long long ticks[8];
    struct rusage usage;
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return load;
    int got = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
                     &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]);
    fclose(file);
    if (got != 8 || getrusage(RUSAGE_SELF, &usage) != 0)
        return load;
    load.all = (double)(ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]) /
               (double)sysconf(_SC_CLK_TCK);
    load.own = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    return load;
}

/* Cores that others kept busy meanwhile. */
static double other_cores(struct load before, struct load after, double seconds)
{
    double others = (after.all - before.all - (after.own - before.own)) / seconds;
    return others > 0 ? others : 0;
}

static bool put_end(struct bench_command *self, struct load before, struct error *err)
{
    double seconds = (double)(clock_ns() - self->begin_ns) * 1e-9;
    double others = other_cores(before, read_load(), seconds);
    if (self->json)
        buf_printf(&self->out, "],\"seconds\":%.1f,\"other_cores\":%.2f}\n", seconds, others);
    else
        buf_printf(&self->out, "\n%.0f s; other programs kept %.2f cores busy%s\n", seconds, others,
                   others > 0.05 ? ": the figures are disturbed" : "");
    return write_out(self, err);
}

static bool bench_all(struct bench_command *self, const char *model, struct error *err)
{
    bool ok = true;
    struct load before = read_load();
    self->begin_ns = clock_ns();
    self->seconds_left = self->seconds;
    self->progress = isatty(STDERR_FILENO);
    buf_init(&self->out);
    for (size_t i = 0; ok && i < self->precision_count; i++) {
        struct model_files files;
        struct engine *engine;
        self->setup.precision = self->precisions[i];
        if (!setup_open(&self->setup, model, &files, &engine, err))
            ok = false;
        else {
            ok = bench_precision(self, engine, i, err);
            engine_close(engine);
            model_files_close(&files);
        }
    }
    ok = ok && put_end(self, before, err);
    clear_progress(self);
    buf_free(&self->out);
    return ok;
}

static int bench_main(int argc, char **argv)
{
    static struct bench_command self = {.seconds = 30};
    setup_default(&self.setup);
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "What is measured", NULL, 0, 0},
        {OPTION_STRING, "tokens", "LIST",
         "lengths of texts (default 1,15,56,128,512, as far as the model takes them)", &self.tokens, 0, 0},
        {OPTION_STRING, "batch", "LIST", "texts in a batch (default 1,8,32)", &self.batch, 0, 0},
        {OPTION_INT, "seconds", "N", "about how long to measure in all, loading not counted (default 30)",
         &self.seconds, 1, 3600},
        {OPTION_FLAG, "json", NULL, "one JSON object", &self.json, 0, 0},
        REVISION_ROW(self.setup),
        TASK_ROWS(self.setup),
        SETUP_ROWS(self.setup),
    };
    const struct usage usage = {
        .line = "linnet bench [options] [MODEL]",
        .text = "Measures MODEL, a directory or a Hub name (or the embedded model), on this machine:\n"
                "the time of one text, the rate of batches and of texts of mixed lengths (5 to 120\n"
                "words), where the time goes (products, attention, the rest), what share of the\n"
                "machine's peak products and attention reach, and the --batch-tokens to pin for serve.\n"
                "--precision may be a list, as fp32,int8. Batches run as in the server, without HTTP\n"
                "and tokenizer; all figures are medians. The times of the mixed set are those of its 32\n"
                "texts together, in as many batches as they take. A case of which a few repeats would\n"
                "take more than a quarter of the time left is left out.",
        .examples = "  linnet bench\n"
                    "  linnet bench --tokens 15 --batch 1,32 --seconds 10 ./my-model\n"
                    "  linnet bench --json --threads 2 ./my-model > bench.json",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
    };
    const char *positional[1];
    size_t count;
    struct error err;
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG ||
        !parse_list("tokens", self.tokens ? self.tokens : "1,15,56,128,512", MAX_TOKENS, &self.token_list,
                    &err) ||
        !parse_list("batch", self.batch ? self.batch : "1,8,32", MAX_TEXTS, &self.batch_list, &err) ||
        !parse_precisions(&self, &err) || !bench_all(&self, count ? positional[0] : NULL, &err))
        return report(&err);
    return EXIT_OK;
}

const struct command bench_command = {"bench", "measure a model on this machine", bench_main};
