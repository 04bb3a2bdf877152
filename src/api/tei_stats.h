/* The metrics of text-embeddings-inference 1.9 under its own names, for dashboards that were made for it.
 * They count inference requests of all dialects. Loop thread only. */
#ifndef LINNET_API_TEI_STATS_H
#define LINNET_API_TEI_STATS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/stats.h"

struct api;
struct call;

enum tei_method { TEI_SINGLE, TEI_BATCH, TEI_METHODS };

/* Words of te_request_failure's label "err". */
enum tei_failure { TEI_VALIDATION, TEI_TOKENIZATION, TEI_OVERLOADED, TEI_INFERENCE, TEI_FAILURES };

struct tei_stats {
    unsigned long long requests[TEI_METHODS], successes[TEI_METHODS], failures[TEI_FAILURES];
    unsigned long long embeds, predictions; /* texts */
    struct histogram duration, inference;   /* seconds, a request */
    struct histogram input_length;          /* tokens, a text */
};

void tei_stats_init(struct tei_stats *stats);

/* A request was read; it was answered; it failed. */
void tei_count_request(struct tei_stats *stats, const struct call *call);
void tei_count_success(struct tei_stats *stats, const struct call *call);
void tei_count_failure(struct tei_stats *stats, enum error_kind kind);

/* Appends them in Prometheus' text format. */
void tei_put_metrics(const struct api *api, struct buf *out);

#endif
