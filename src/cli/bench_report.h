/* What `linnet bench` prints: a table for people, JSON for programs. */
#ifndef LINNET_CLI_BENCH_REPORT_H
#define LINNET_CLI_BENCH_REPORT_H

#include "base/buf.h"
#include "cli/bench_run.h"

/* All that was measured in one precision. */
struct bench_report {
    const struct model_desc *desc;
    const struct bench_result *results; /* [count], cases of all kinds but BENCH_SIZE */
    size_t count;
    const struct bench_result *sizes; /* [size_count] */
    size_t size_count, batch_tokens;
    double product_peak, attention_peak; /* struct bench */
};

/* The model and the machine, before the reports of the precisions. */
void bench_put_head(struct buf *out, const struct model_desc *desc, int threads);
void bench_put_table(struct buf *out, const struct bench_report *report);

/* Members of an object: all of `desc` that a reader of figures needs to know. */
void bench_put_json_head(struct buf *out, const struct model_desc *desc, int threads);
/* One object. */
void bench_put_json(struct buf *out, const struct bench_report *report);

#endif
