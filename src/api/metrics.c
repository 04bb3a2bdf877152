/* GET /metrics. */
#include "api/metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/internal.h"

void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_put_number(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    metrics_put_head(out, name, type, help);
    buf_printf(out, "%s %.17g\n", name, value);
}

/* A label's value: backslash, quote and newline are escaped. */
void metrics_put_label_value(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buf_printf(out, "\\%c", *text);
        else
            buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

void metrics_put_histogram(struct buf *out, const char *name, const char *label,
                           const struct histogram *histogram)
{
    unsigned long long total = 0;
    char alone[100] = "";
    if (*label)
        snprintf(alone, sizeof alone, "{%.*s}", (int)strlen(label) - 1, label);
    for (int i = 0; i < histogram->bound_count; i++) {
        total += atomic_load(&histogram->counts[i]);
        buf_printf(out, "%s_bucket{%sle=\"%.6g\"} %llu\n", name, label, histogram->bounds[i], total);
    }
    total += atomic_load(&histogram->counts[histogram->bound_count]);
    buf_printf(out, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, label, total);
    buf_printf(out, "%s_sum%s %.17g\n", name, alone, (double)atomic_load(&histogram->sum) * histogram->unit);
    buf_printf(out, "%s_count%s %llu\n", name, alone, total);
}

void metrics_put_plain_histogram(struct buf *out, const char *name, const char *help,
                                 const struct histogram *histogram)
{
    metrics_put_head(out, name, "histogram", help);
    metrics_put_histogram(out, name, "", histogram);
}

/* The path by which route_label() counts. */
static const char *label_words(size_t label)
{
    return label < route_count ? routes[label].path : "other";
}

static void put_requests(struct buf *out, const struct api *api)
{
    metrics_put_head(out, "linnet_requests_total", "counter", "Answers, by path and status.");
    for (size_t label = 0; label <= route_count; label++) {
        const struct route_stats *stats = &api->route_stats[label];
        for (int i = 0; i < MAX_STATUSES && stats->by_status[i].status; i++)
            buf_printf(out, "linnet_requests_total{path=\"%s\",status=\"%d\"} %llu\n", label_words(label),
                       stats->by_status[i].status, stats->by_status[i].answers);
    }

    metrics_put_head(out, "linnet_request_duration_seconds", "histogram",
                     "First byte of a request to its answer, by path.");
    for (size_t label = 0; label <= route_count; label++) {
        char text[80];
        /* Only paths that were used: a histogram has 19 lines. */
        if (!api->route_stats[label].by_status[0].status)
            continue;
        snprintf(text, sizeof text, "path=\"%s\",", label_words(label));
        metrics_put_histogram(out, "linnet_request_duration_seconds", text,
                              &api->route_stats[label].duration);
    }
}

static void put_sched(struct buf *out, const struct api *api)
{
    const struct sched_stats *stats = sched_stats(api->sched);
    struct queue_state queue = sched_queue(api->sched);
    metrics_put_plain_histogram(out, "linnet_queue_duration_seconds",
                                "Submission of a request to its first batch.", &stats->queue);
    metrics_put_plain_histogram(out, "linnet_compute_duration_seconds", "Forward pass of a batch.",
                                &stats->compute);
    metrics_put_plain_histogram(out, "linnet_batch_items", "Texts in a batch.", &stats->batch_items);
    metrics_put_plain_histogram(out, "linnet_batch_tokens", "Tokens in a batch.", &stats->batch_tokens);
    metrics_put_number(out, "linnet_batch_budget_tokens", "gauge", "Tokens that a batch may hold now.",
                       (double)sched_budget(api->sched).tokens);
    metrics_put_number(out, "linnet_tokens_total", "counter", "Tokens computed.",
                       (double)atomic_load(&stats->tokens));
    metrics_put_number(out, "linnet_rejected_total", "counter",
                       "Requests refused because the queue was full.", (double)atomic_load(&stats->rejected));
    metrics_put_head(out, "linnet_dropped_items_total", "counter",
                     "Texts dropped from the queue, by reason.");
    buf_printf(out, "linnet_dropped_items_total{reason=\"deadline\"} %llu\n",
               (unsigned long long)queue.items_expired);
    buf_printf(out, "linnet_dropped_items_total{reason=\"cancelled\"} %llu\n",
               (unsigned long long)queue.items_cancelled);
    metrics_put_number(out, "linnet_queue_requests", "gauge", "Requests that wait.", (double)queue.jobs);
    metrics_put_number(out, "linnet_queue_items", "gauge", "Texts that wait.", (double)queue.items);
    metrics_put_number(out, "linnet_queue_tokens", "gauge", "Tokens that wait.", (double)queue.cost);
    metrics_put_number(out, "linnet_tokens_per_second", "gauge", "Measured rate of all lanes.",
                       sched_rate(api->sched));
}

static void put_workers(struct buf *out, const struct worker_stats *workers)
{
    metrics_put_plain_histogram(out, "linnet_ffi_duration_seconds",
                                "Batch to a Python worker and back, less Python's own time.", &workers->ffi);
    metrics_put_plain_histogram(out, "linnet_python_duration_seconds", "Python's own time of a batch.",
                                &workers->python);
    metrics_put_number(out, "linnet_workers", "gauge", "Python workers that there should be.",
                       workers->workers);
    metrics_put_number(out, "linnet_workers_ready", "gauge", "Python workers that are ready.",
                       atomic_load(&workers->ready));
    metrics_put_number(out, "linnet_worker_restarts_total", "counter",
                       "Python workers started again after a death.",
                       (double)atomic_load(&workers->restarts));
}

static void put_model(struct buf *out, const struct api *api)
{
    const struct model_desc *desc = &sched_engine(api->sched)->desc;
    metrics_put_head(out, "linnet_model_info", "gauge", "The model that is served.");
    buf_puts(out, "linnet_model_info{model=");
    metrics_put_label_value(out, api->root->model_count > 1 ? api_model_name(api) : desc->name);
    buf_printf(out, ",model_type=\"%s\",task=\"%s\",engine=\"%s\",precision=\"%s\",isa=\"%s\"} 1\n",
               desc->model_type, desc->task_name, desc->engine, desc->precision, desc->isa);
    metrics_put_number(out, "linnet_model_parameters", "gauge", "Parameters of the model.",
                       (double)desc->parameters);
}

/* Second field of /proc/self/statm: resident pages. */
static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* All models that could be loaded are there. */
static bool is_ready(const struct api *root)
{
    for (int i = 0; i < root->model_count; i++)
        if (!root->models[i]->sched && !*root->models[i]->failure)
            return false;
    return !root->draining;
}

static void put_process(struct buf *out, const struct api *api)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    metrics_put_head(out, "linnet_build_info", "gauge", "The program.");
    buf_puts(out, "linnet_build_info{version=");
    metrics_put_label_value(out, api->options.version);
    buf_puts(out, "} 1\n");
    metrics_put_number(out, "linnet_ready", "gauge", "1 when the model is loaded and requests are taken.",
                       is_ready(api->root));
    metrics_put_number(out, "linnet_connections", "gauge", "Open connections.",
                       http_connections(api->server));
    metrics_put_number(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    metrics_put_number(out, "process_cpu_seconds_total", "counter", "User and system CPU time.", cpu);
    metrics_put_number(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
                       api->started_time);
}

/* What there is of each model. */
static void put_of_model(struct buf *out, const struct api *api)
{
    metrics_put_plain_histogram(out, "linnet_tokenize_duration_seconds", "Tokenizing of a request.",
                                &api->prepare);
    if (api->sched) {
        put_model(out, api);
        put_sched(out, api);
        if (engine_workers(sched_engine(api->sched)))
            put_workers(out, engine_workers(sched_engine(api->sched)));
    }
    tei_put_metrics(api, out);
}

/* Of several models: each family once, with a sample a model. */
static void put_of_models(struct buf *out, const struct api *root)
{
    struct metrics_part parts[API_MODELS];
    struct buf texts[API_MODELS];
    bool ok = true;
    for (int i = 0; i < root->model_count; i++) {
        buf_init(&texts[i]);
        put_of_model(&texts[i], root->models[i]);
        ok = ok && buf_ok(&texts[i]);
        parts[i] = (struct metrics_part){api_model_name(root->models[i]), texts[i].bytes};
    }
    if (ok)
        metrics_merge(parts, root->model_count, out);
    for (int i = 0; i < root->model_count; i++)
        buf_free(&texts[i]);
}

void page_metrics(struct api *api, struct http_exchange *x)
{
    struct buf body;
    buf_init(&body);
    put_process(&body, api);
    put_requests(&body, api->root);
    (models_all(api, x) ? put_of_models : put_of_model)(&body, api);
    http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, 0, &body);
}
