/* GET /metrics in Prometheus' text format 0.0.4 (its exposition format page). Base units: seconds, bytes. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/internal.h"

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    put_head(out, name, type, help);
    buf_printf(out, "%s %.17g\n", name, value);
}

/* A label's value: backslash, quote and newline are escaped. */
static void put_label_value(struct buf *out, const char *text)
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

/* The samples of one histogram; `label` is `name="value",` or empty. */
static void put_histogram(struct buf *out, const char *name, const char *label,
                          const struct histogram *histogram)
{
    unsigned long long total = 0;
    char alone[64] = "";
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

static void put_plain_histogram(struct buf *out, const char *name, const char *help,
                                const struct histogram *histogram)
{
    put_head(out, name, "histogram", help);
    put_histogram(out, name, "", histogram);
}

static void put_requests(struct buf *out, const struct api *api)
{
    size_t index = 0;
    put_head(out, "linnet_requests_total", "counter", "Answers, by path and status.");
    do {
        const char *path = routes[index].path ? routes[index].path : "other";
        for (int i = 0; i < MAX_STATUSES && api->route_stats[index].by_status[i].status; i++)
            buf_printf(out, "linnet_requests_total{path=\"%s\",status=\"%d\"} %llu\n", path,
                       api->route_stats[index].by_status[i].status,
                       api->route_stats[index].by_status[i].answers);
    } while (routes[index++].path);

    put_head(out, "linnet_request_duration_seconds", "histogram",
             "First byte of a request to its answer, by path.");
    index = 0;
    do {
        char label[64];
        snprintf(label, sizeof label, "path=\"%s\",", routes[index].path ? routes[index].path : "other");
        put_histogram(out, "linnet_request_duration_seconds", label, &api->route_stats[index].duration);
    } while (routes[index++].path);
}

static void put_sched(struct buf *out, const struct api *api)
{
    const struct sched_stats *stats = sched_stats(api->sched);
    struct queue_state queue = sched_queue(api->sched);
    put_plain_histogram(out, "linnet_queue_duration_seconds", "Submission of a request to its first batch.",
                        &stats->queue);
    put_plain_histogram(out, "linnet_compute_duration_seconds", "Forward pass of a batch.", &stats->compute);
    put_plain_histogram(out, "linnet_batch_items", "Texts in a batch.", &stats->batch_items);
    put_plain_histogram(out, "linnet_batch_tokens", "Tokens in a batch.", &stats->batch_tokens);
    put_number(out, "linnet_tokens_total", "counter", "Tokens computed.",
               (double)atomic_load(&stats->tokens));
    put_number(out, "linnet_rejected_total", "counter", "Requests refused because the queue was full.",
               (double)atomic_load(&stats->rejected));
    put_head(out, "linnet_dropped_items_total", "counter", "Texts dropped from the queue, by reason.");
    buf_printf(out, "linnet_dropped_items_total{reason=\"deadline\"} %llu\n",
               (unsigned long long)queue.items_expired);
    buf_printf(out, "linnet_dropped_items_total{reason=\"cancelled\"} %llu\n",
               (unsigned long long)queue.items_cancelled);
    put_number(out, "linnet_queue_requests", "gauge", "Requests that wait.", (double)queue.jobs);
    put_number(out, "linnet_queue_items", "gauge", "Texts that wait.", (double)queue.items);
    put_number(out, "linnet_queue_tokens", "gauge", "Tokens that wait.", (double)queue.cost);
    put_number(out, "linnet_tokens_per_second", "gauge", "Measured rate of all lanes.",
               sched_rate(api->sched));
}

static void put_workers(struct buf *out, const struct worker_stats *workers)
{
    put_plain_histogram(out, "linnet_ffi_duration_seconds",
                        "Batch to a Python worker and back, less Python's own time.", &workers->ffi);
    put_plain_histogram(out, "linnet_python_duration_seconds", "Python's own time of a batch.",
                        &workers->python);
    put_number(out, "linnet_workers", "gauge", "Python workers that there should be.", workers->workers);
    put_number(out, "linnet_workers_ready", "gauge", "Python workers that are ready.",
               atomic_load(&workers->ready));
    put_number(out, "linnet_worker_restarts_total", "counter", "Python workers started again after a death.",
               (double)atomic_load(&workers->restarts));
}

static void put_model(struct buf *out, const struct api *api)
{
    const struct model_desc *desc = &sched_engine(api->sched)->desc;
    put_head(out, "linnet_model_info", "gauge", "The model that is served.");
    buf_puts(out, "linnet_model_info{model=");
    put_label_value(out, desc->name);
    buf_printf(out, ",model_type=\"%s\",task=\"%s\",engine=\"%s\",precision=\"%s\",isa=\"%s\"} 1\n",
               desc->model_type, desc->task_name, desc->engine, desc->precision, desc->isa);
    put_number(out, "linnet_model_parameters", "gauge", "Parameters of the model.", (double)desc->parameters);
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

static void put_process(struct buf *out, const struct api *api)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    put_head(out, "linnet_build_info", "gauge", "The program.");
    buf_puts(out, "linnet_build_info{version=");
    put_label_value(out, api->options.version);
    buf_puts(out, "} 1\n");
    put_number(out, "linnet_ready", "gauge", "1 when the model is loaded and requests are taken.",
               api->sched && !api->draining);
    put_number(out, "linnet_connections", "gauge", "Open connections.", http_connections(api->server));
    put_number(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    put_number(out, "process_cpu_seconds_total", "counter", "User and system CPU time.", cpu);
    put_number(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
               api->started_time);
}

void page_metrics(struct api *api, struct http_exchange *x)
{
    struct buf body;
    buf_init(&body);
    put_process(&body, api);
    put_requests(&body, api);
    put_plain_histogram(&body, "linnet_tokenize_duration_seconds", "Tokenizing of a request.", &api->prepare);
    if (api->sched) {
        put_model(&body, api);
        put_sched(&body, api);
        if (engine_workers(sched_engine(api->sched)))
            put_workers(&body, engine_workers(sched_engine(api->sched)));
    }
    http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, 0, &body);
}
