#include "cli/bench_report.h"

#include <stdio.h>

#include "base/host.h"
#include "base/json.h"
#include "cli/version.h"

static const char *const kind_names[] = {
    [BENCH_TEXTS] = "texts",
    [BENCH_MIXED_TEXTS] = "mixed_by_texts",
    [BENCH_MIXED_TOKENS] = "mixed_by_tokens",
    [BENCH_SIZE] = "size",
};

enum { NAME_COLUMNS = 30 };

/* Whose times are those of all 32 texts, in as many batches as they take. */
static bool is_mixed(const struct bench_case *what)
{
    return what->kind == BENCH_MIXED_TEXTS || what->kind == BENCH_MIXED_TOKENS;
}

/* Part of whole; 0 where there is no whole. */
static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double stage_share(const struct bench_result *result, enum stage stage)
{
    return ratio(result->stages[stage], result->median);
}

/* What is neither products nor attention, between the stages included. */
static double rest_share(const struct bench_result *result)
{
    double rest = 1 - stage_share(result, STAGE_GEMM) - stage_share(result, STAGE_ATTENTION);
    return rest > 0 ? rest : 0;
}

/* Of the products of a stage, a second of its own time. */
static double operation_rate(const struct bench_result *result, enum stage stage)
{
    return ratio((double)result->operations[stage], result->stages[stage]);
}

static double share_of_peak(const struct bench_result *result, enum stage stage, double peak)
{
    return ratio(operation_rate(result, stage), peak);
}

/* The same of the whole pass, as if each token had gone through all of each layer: the last one computes less
 * (model/encoder.h). */
static double model_of_peak(const struct bench_report *report, const struct bench_result *result)
{
    return ratio(bench_rate(result) * report->desc->token_operations, report->product_peak);
}

/* --- For people */

void bench_put_head(struct buf *out, const struct model_desc *desc, int threads)
{
    buf_printf(out, "linnet %s, %s: %d layers, hidden %d, %d heads, intermediate %d; %.1f Mop a token\n",
               LINNET_VERSION, desc->name, desc->layers, desc->hidden, desc->heads, desc->intermediate,
               desc->token_operations * 1e-6);
    buf_printf(out, "%s, %s, %d thread%s\n", host_cpu_name(), desc->isa, threads, threads == 1 ? "" : "s");
}

static void name_case(const struct bench_case *what, char *name, size_t size)
{
    const char *plural = what->texts == 1 ? "" : "s", *tokens = what->tokens == 1 ? "" : "s";
    switch (what->kind) {
    case BENCH_MIXED_TEXTS:
        snprintf(name, size, "mixed set, %d text%s a batch", what->texts, plural);
        break;
    case BENCH_MIXED_TOKENS:
        snprintf(name, size, "mixed set, %d tokens a batch", what->tokens);
        break;
    default:
        snprintf(name, size, "%d text%s of %d token%s", what->texts, plural, what->tokens, tokens);
    }
}

static void put_percent(struct buf *out, int width, double share)
{
    if (share > 0)
        buf_printf(out, "%*.0f %%", width - 2, 100 * share);
    else
        buf_printf(out, "%*s", width, "-");
}

/* How long a repeat would have taken, in words. */
static void put_left_out(struct buf *out, const struct bench_result *result)
{
    const bool is_short = result->foreseen < 1;
    buf_printf(out, " left out: about %.1f %s %s; give more --seconds\n",
               result->foreseen * (is_short ? 1e3 : 1), is_short ? "ms" : "s",
               is_mixed(&result->what) ? "the set" : "a batch");
}

static void put_row(struct buf *out, const struct bench_report *report, const struct bench_result *result)
{
    char name[60];
    name_case(&result->what, name, sizeof name);
    buf_printf(out, "  %-*s", NAME_COLUMNS, name);
    if (!result->repeats) {
        put_left_out(out, result);
        return;
    }
    buf_printf(out, "%10.2f", result->median * 1e3);
    if (result->p99 > 0)
        buf_printf(out, "%10.2f", result->p99 * 1e3);
    else
        buf_printf(out, "%10s", "-");
    buf_printf(out, "%10.1f%10.0f", (double)result->texts / result->median, bench_rate(result));
    put_percent(out, 8, stage_share(result, STAGE_GEMM));
    put_percent(out, 11, stage_share(result, STAGE_ATTENTION));
    put_percent(out, 7, rest_share(result));
    put_percent(out, 14, share_of_peak(result, STAGE_GEMM, report->product_peak));
    put_percent(out, 11, share_of_peak(result, STAGE_ATTENTION, report->attention_peak));
    buf_putc(out, '\n');
}

static void put_sizes(struct buf *out, const struct bench_report *report)
{
    buf_puts(out, "  tokens a batch  ");
    for (size_t i = 0; i < report->size_count; i++)
        if (report->sizes[i].repeats)
            buf_printf(out, "%8zu", report->sizes[i].tokens);
    buf_puts(out, "\n  us a token      ");
    for (size_t i = 0; i < report->size_count; i++)
        if (report->sizes[i].repeats)
            buf_printf(out, "%8.1f", 1e6 / bench_rate(&report->sizes[i]));
    buf_puts(out, "\n  ms a batch      ");
    for (size_t i = 0; i < report->size_count; i++)
        if (report->sizes[i].repeats)
            buf_printf(out, "%8.1f", report->sizes[i].median * 1e3);
    buf_printf(
        out,
        "\n  To pin: --batch-tokens %zu, of the batches under 50 ms the smallest within 95 %% of the best "
        "rate.\n",
        report->batch_tokens);
}

void bench_put_table(struct buf *out, const struct bench_report *report)
{
    buf_printf(out, "\n%s", report->desc->precision);
    if (report->product_peak > 0)
        buf_printf(out, ", peak of the instruction of its products %.0f Gop/s", report->product_peak * 1e-9);
    if (report->attention_peak > 0)
        buf_printf(out, ", of attention's (%s) %.0f", report->desc->attention_precision,
                   report->attention_peak * 1e-9);
    buf_printf(out, "\n  %-*s%10s%10s%10s%10s%8s%11s%7s%14s%11s\n", NAME_COLUMNS, "", "median ms", "p99 ms",
               "texts/s", "tokens/s", "GEMM", "attention", "rest", "GEMM of peak", "attention");
    for (size_t i = 0; i < report->count; i++)
        put_row(out, report, &report->results[i]);
    if (report->batch_tokens)
        put_sizes(out, report);
}

/* --- For programs */

/* "name":value, - null where there is none - with a comma behind it. */
static void put_number(struct buf *out, const char *name, double value)
{
    if (value > 0)
        buf_printf(out, "\"%s\":%.9g,", name, value);
    else
        buf_printf(out, "\"%s\":null,", name);
}

static void put_result(struct buf *out, const struct bench_report *report, const struct bench_result *result)
{
    const struct bench_case *what = &result->what;
    const bool by_tokens = what->kind == BENCH_MIXED_TOKENS, mixed = is_mixed(what);
    buf_printf(out, "{\"kind\":\"%s\",", kind_names[what->kind]);
    put_number(out, "texts_a_batch", by_tokens ? 0 : what->texts);
    put_number(out, "tokens_a_text", mixed ? 0 : what->tokens);
    put_number(out, "tokens_a_batch", by_tokens ? what->tokens : 0);
    buf_printf(out, "\"repeats\":%d,\"texts\":%zu,\"tokens\":%zu,", result->repeats, result->texts,
               result->tokens);
    if (!result->repeats) {
        buf_printf(out, "\"left_out\":true,\"foreseen_seconds\":%.6g}", result->foreseen);
        return;
    }
    buf_puts(out, "\"left_out\":false,");
    put_number(out, "median_ms", result->median * 1e3);
    put_number(out, "p99_ms", result->p99 * 1e3);
    put_number(out, "texts_per_second", (double)result->texts / result->median);
    put_number(out, "tokens_per_second", bench_rate(result));
    put_number(out, "gemm_ms", result->stages[STAGE_GEMM] * 1e3);
    put_number(out, "pass_over_gemm", ratio(result->median, result->stages[STAGE_GEMM]));
    put_number(out, "gemm_gops", operation_rate(result, STAGE_GEMM) * 1e-9);
    put_number(out, "attention_gops", operation_rate(result, STAGE_ATTENTION) * 1e-9);
    put_number(out, "gemm_of_peak", share_of_peak(result, STAGE_GEMM, report->product_peak));
    put_number(out, "attention_of_peak", share_of_peak(result, STAGE_ATTENTION, report->attention_peak));
    put_number(out, "model_of_peak", model_of_peak(report, result));
    buf_printf(out, "\"share\":{\"gemm\":%.4f,\"attention\":%.4f,\"rest\":%.4f}}",
               stage_share(result, STAGE_GEMM), stage_share(result, STAGE_ATTENTION), rest_share(result));
}

void bench_put_json_head(struct buf *out, const struct model_desc *desc, int threads)
{
    json_put_field(out, "linnet", LINNET_VERSION);
    json_put_field(out, "model", desc->name);
    json_put_field(out, "architecture", desc->architecture);
    json_put_field(out, "processor", host_cpu_name());
    json_put_field(out, "isa", desc->isa);
    buf_printf(out, "\"threads\":%d,\"layers\":%d,\"hidden\":%d,\"heads\":%d,\"intermediate\":%d,", threads,
               desc->layers, desc->hidden, desc->heads, desc->intermediate);
    put_number(out, "operations_per_token", desc->token_operations);
}

void bench_put_json(struct buf *out, const struct bench_report *report)
{
    buf_putc(out, '{');
    json_put_field(out, "precision", report->desc->precision);
    put_number(out, "peak_gops", report->product_peak * 1e-9);
    json_put_field(out, "attention_precision", report->desc->attention_precision);
    put_number(out, "attention_peak_gops", report->attention_peak * 1e-9);
    buf_puts(out, "\"cases\":[");
    for (size_t i = 0; i < report->count; i++) {
        buf_puts(out, i ? "," : "");
        put_result(out, report, &report->results[i]);
    }
    buf_puts(out, "],\"sizes\":[");
    bool first = true;
    for (size_t i = 0; i < report->size_count; i++) {
        const struct bench_result *size = &report->sizes[i];
        if (!size->repeats)
            continue;
        buf_printf(out, "%s{\"tokens\":%zu,\"ns_per_token\":%.6g,\"batch_ms\":%.6g}", first ? "" : ",",
                   size->tokens, 1e9 / bench_rate(size), size->median * 1e3);
        first = false;
    }
    buf_printf(out, "],\"batch_tokens\":%zu}", report->batch_tokens);
}
