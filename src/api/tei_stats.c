#include "api/tei_stats.h"

#include "api/internal.h"
#include "api/metrics.h"

static const char *const methods[] = {[TEI_SINGLE] = "single", [TEI_BATCH] = "batch"};
static const char *const failures[] = {[TEI_VALIDATION] = "validation",
                                       [TEI_TOKENIZATION] = "tokenization",
                                       [TEI_OVERLOADED] = "overloaded",
                                       [TEI_INFERENCE] = "inference"};

void tei_stats_init(struct tei_stats *stats)
{
    histogram_init_seconds(&stats->duration);
    histogram_init_seconds(&stats->inference);
    histogram_init_counts(&stats->input_length);
}

static enum tei_method method_of(const struct call *call)
{
    return call->reply.is_list ? TEI_BATCH : TEI_SINGLE;
}

void tei_count_request(struct tei_stats *stats, const struct call *call)
{
    stats->requests[method_of(call)]++;
}

void tei_count_success(struct tei_stats *stats, const struct call *call)
{
    stats->successes[method_of(call)]++;
    if (call->route->operation->answer_item)
        return;
    const enum task task = call_model(call)->task;
    const bool embeds = task == TASK_FEATURE_EXTRACTION || task == TASK_SPARSE_EMBEDDING;
    *(embeds ? &stats->embeds : &stats->predictions) += call->count;
    histogram_add_ns(&stats->duration, clock_ns() - call->begin_ns);
    histogram_add_ns(&stats->inference, call->compute_ns);
    for (size_t i = 0; i < call->count; i++)
        histogram_add_count(&stats->input_length, call->items[i].length);
}

void tei_count_failure(struct tei_stats *stats, enum error_kind kind)
{
    switch (kind) {
    case ERR_BAD_JSON:
    case ERR_EMPTY_INPUT:
    case ERR_TOO_MANY:
    case ERR_TOO_LONG:
    case ERR_TOO_LARGE:
        stats->failures[TEI_VALIDATION]++;
        break;
    case ERR_BAD_INPUT:
        stats->failures[TEI_TOKENIZATION]++;
        break;
    case ERR_OVERLOADED:
        stats->failures[TEI_OVERLOADED]++;
        break;
    default:
        stats->failures[TEI_INFERENCE]++;
        break;
    }
}

static void put_by_method(struct buf *out, const char *name, const char *help,
                          const unsigned long long counts[])
{
    metrics_put_head(out, name, "counter", help);
    for (int i = 0; i < TEI_METHODS; i++)
        buf_printf(out, "%s{method=\"%s\"} %llu\n", name, methods[i], counts[i]);
}

static void put_batches(const struct api *api, struct buf *out)
{
    const struct sched_stats *stats = sched_stats(api->sched);
    metrics_put_plain_histogram(out, "te_request_queue_duration", "Seconds that a request waited.",
                                &stats->queue);
    metrics_put_plain_histogram(out, "te_batch_next_size", "Texts in a batch.", &stats->batch_items);
    metrics_put_plain_histogram(out, "te_batch_next_tokens", "Tokens in a batch.", &stats->batch_tokens);
    metrics_put_number(out, "te_queue_size", "gauge", "Texts that wait.",
                       (double)sched_queue(api->sched).items);
}

void tei_put_metrics(const struct api *api, struct buf *out)
{
    const struct tei_stats *stats = &api->tei;
    put_by_method(out, "te_request_count", "Inference requests.", stats->requests);
    put_by_method(out, "te_request_success", "Inference requests that were answered.", stats->successes);
    metrics_put_head(out, "te_request_failure", "counter", "Inference requests that failed.");
    for (int i = 0; i < TEI_FAILURES; i++)
        buf_printf(out, "te_request_failure{err=\"%s\"} %llu\n", failures[i], stats->failures[i]);
    metrics_put_number(out, "te_embed_count", "counter", "Texts embedded.", (double)stats->embeds);
    metrics_put_number(out, "te_predict_count", "counter", "Texts classified or scored.",
                       (double)stats->predictions);
    metrics_put_plain_histogram(out, "te_request_duration", "Seconds to answer a request.", &stats->duration);
    metrics_put_plain_histogram(out, "te_request_tokenization_duration", "Seconds to tokenize a request.",
                                &api->prepare);
    metrics_put_plain_histogram(out, "te_request_inference_duration", "Seconds to compute a request.",
                                &stats->inference);
    metrics_put_plain_histogram(out, "te_request_input_length", "Tokens of a text.", &stats->input_length);
    if (api->sched)
        put_batches(api, out);
}
