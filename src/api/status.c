/* Pages about the server: /health, /ping, /live, /info. */
#include <string.h>

#include "api/internal.h"

static void answer_state(struct http_exchange *x, int status, const char *state)
{
    struct buf body;
    buf_init(&body);
    buf_printf(&body, "{\"status\":\"%s\"}", state);
    const struct http_response_field retry = {"Retry-After", "1"};
    http_respond(x, status, "application/json", &retry, status == 503 ? 1 : 0, &body);
}

/* Degraded with 200 while requests still get their answers, if later; with 503 while each is refused. */
static void answer_workers(struct api *api, struct http_exchange *x)
{
    const struct worker_stats *workers = engine_workers(sched_engine(api->sched));
    if (!workers || atomic_load(&workers->ready) == workers->workers)
        answer_state(x, 200, "ok");
    else
        answer_state(x, atomic_load(&workers->failing) == workers->workers ? 503 : 200, "degraded");
}

void page_health(struct api *api, struct http_exchange *x)
{
    if (api->draining)
        answer_state(x, 503, "draining");
    else if (!api->sched)
        answer_state(x, 503, "loading");
    else
        answer_workers(api, x);
}

void page_live(struct api *api, struct http_exchange *x)
{
    (void)api;
    answer_state(x, 200, "live");
}

static void put_labels(struct buf *out, const struct model_desc *desc)
{
    buf_puts(out, "\"model_type\":{\"classifier\":{\"id2label\":{");
    for (int i = 0; i < desc->label_count; i++) {
        buf_printf(out, "%s\"%d\":", i ? "," : "", i);
        json_put_string(out, desc->labels[i], strlen(desc->labels[i]));
    }
    buf_puts(out, "},\"label2id\":{");
    for (int i = 0; i < desc->label_count; i++) {
        if (i)
            buf_putc(out, ',');
        json_put_string(out, desc->labels[i], strlen(desc->labels[i]));
        buf_printf(out, ":%d", i);
    }
    buf_puts(out, "}}}");
}

/* What TEI does not know of. */
static void put_own(struct buf *out, struct api *api, const struct model_desc *desc)
{
    const struct sched_options *sched = sched_options(api->sched);
    buf_puts(out, "\"linnet\":{");
    json_put_field(out, "task", desc->task_name);
    json_put_field(out, "engine", desc->engine);
    json_put_field(out, "architecture", desc->architecture);
    json_put_field(out, "problem_type", problem_type_name(desc->problem_type));
    json_put_field(out, "precision", desc->precision);
    json_put_field(out, "stored", desc->stored);
    json_put_field(out, "isa", desc->isa);
    if (engine_workers(sched_engine(api->sched)))
        json_put_field(out, "python", engine_workers(sched_engine(api->sched))->host);
    buf_printf(out, "\"parameters\":%llu,\"lanes\":%d,\"threads_per_lane\":%d,\"tokens_per_second\":%.0f}",
               (unsigned long long)desc->parameters, sched->lanes, sched->threads_per_lane,
               sched_rate(api->sched));
}

/* The names of TEI 1.9's /info, then an object of our own. */
void page_info(struct api *api, struct http_exchange *x)
{
    struct buf body;
    if (!api->sched) {
        answer_state(x, 503, "loading");
        return;
    }
    const struct model_desc *desc = &sched_engine(api->sched)->desc;
    const struct sched_options *sched = sched_options(api->sched);
    buf_init(&body);
    buf_putc(&body, '{');
    json_put_field(&body, "model_id", desc->name);
    json_put_field(&body, "model_sha", NULL);
    json_put_field(&body, "model_dtype", desc->result == RESULT_JSON ? desc->precision : "float32");
    put_labels(&body, desc);
    buf_printf(&body,
               ",\"max_concurrent_requests\":%zu,\"max_input_length\":%d,\"max_batch_tokens\":%zu,"
               "\"max_batch_requests\":null,\"max_client_batch_size\":%zu,\"auto_truncate\":%s,"
               "\"tokenization_workers\":1,",
               sched->queue_jobs, desc->max_tokens, sched->batch_tokens, api->options.max_texts,
               api->options.auto_truncate ? "true" : "false");
    json_put_field(&body, "version", api->options.version);
    json_put_field(&body, "sha", NULL);
    json_put_field(&body, "docker_label", NULL);
    put_own(&body, api, desc);
    buf_putc(&body, '}');
    answer_json(x, 200, &body);
}
