/* Prometheus' text format 0.0.4 (its exposition format page). Base units: seconds, bytes. */
#ifndef LINNET_API_METRICS_H
#define LINNET_API_METRICS_H

#include "base/buf.h"
#include "base/stats.h"

/* What the samples of a name mean; `type` is "counter", "gauge" or "histogram". */
void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help);

/* A head and its one sample. */
void metrics_put_number(struct buf *out, const char *name, const char *type, const char *help, double value);

/* The samples of one histogram; `label` is `name="value",` or empty. */
void metrics_put_histogram(struct buf *out, const char *name, const char *label,
                           const struct histogram *histogram);

/* A head and the samples of a histogram without labels. */
void metrics_put_plain_histogram(struct buf *out, const char *name, const char *help,
                                 const struct histogram *histogram);

/* A label's value, quoted: backslash, quote and newline are escaped. */
void metrics_put_label_value(struct buf *out, const char *text);

/* One model's metrics as text, whose samples are to have the label model="name". */
struct metrics_part {
    const char *name, *text;
};

/* Puts the parts together: each name's head once, then its samples of every part (metrics_merge.c). */
void metrics_merge(const struct metrics_part parts[], int count, struct buf *out);

#endif
