/* Pages about the server: /health, /ping, /live, /info. */
#include <stdio.h>
#include <string.h>

#include "api/dialects.h"
#include "api/internal.h"

static void answer_state(struct http_exchange *x, int status, const char *state)
{
    struct buf body;
    buf_init(&body);
    buf_printf(&body, "{\"status\":\"%s\"}", state);
    const struct http_response_field retry = {"Retry-After", "1"};
    http_respond(x, status, "application/json", &retry, status == 503 ? 1 : 0, &body);
}

/* From best to worst. */
enum health { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING, HEALTH_FAILED, HEALTH_LOADING, HEALTH_DRAINING };

/* Degraded while requests still get their answers, if later; failing while each is refused. */
static enum health health_of(const struct api *api)
{
    if (api->draining)
        return HEALTH_DRAINING;
    if (!api->sched)
        return *api->failure ? HEALTH_FAILED : HEALTH_LOADING;
    const struct worker_stats *workers = engine_workers(sched_engine(api->sched));
    if (!workers || atomic_load(&workers->ready) == workers->workers)
        return HEALTH_OK;
    return atomic_load(&workers->failing) == workers->workers ? HEALTH_FAILING : HEALTH_DEGRADED;
}

/* Of several models: what one alone lacks degrades the whole. */
static enum health health_of_all(const struct api *root)
{
    enum health worst = HEALTH_OK;
    for (int i = 0; i < root->model_count; i++) {
        enum health health = health_of(root->models[i]);
        if (health == HEALTH_FAILING || health == HEALTH_FAILED)
            health = HEALTH_DEGRADED;
        worst = health > worst ? health : worst;
    }
    return worst;
}

static enum health health_asked_for(const struct api *api, const struct http_exchange *x)
{
    return models_all(api, x) ? health_of_all(api->root) : health_of(api);
}

bool health_is_ready(const struct api *api, const struct http_exchange *x)
{
    return health_asked_for(api, x) <= HEALTH_DEGRADED;
}

void page_health(struct api *api, struct http_exchange *x)
{
    static const struct {
        int status;
        const char *state;
    } answers[] = {
        [HEALTH_OK] = {200, "ok"},
        [HEALTH_DEGRADED] = {200, "degraded"},
        [HEALTH_FAILING] = {503, "degraded"},
        [HEALTH_FAILED] = {503, "failed"},
        [HEALTH_LOADING] = {503, "loading"},
        [HEALTH_DRAINING] = {503, "draining"},
    };
    enum health health = health_asked_for(api, x);
    answer_state(x, answers[health].status, answers[health].state);
}

void page_live(struct api *api, struct http_exchange *x)
{
    (void)api;
    answer_state(x, 200, "live");
}

static void put_model_type(struct buf *out, const struct model_desc *desc)
{
    if (desc->sentence) {
        buf_printf(out, "\"model_type\":{\"embedding\":{\"pooling\":\"%s\"}}", desc->sentence->pooling_name);
        return;
    }
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

/* How many tokens a batch may hold, why, and what a token was measured to cost in batches of each size. */
static void put_budget(struct buf *out, const struct budget_state *budget)
{
    static const char *const origins[] = {
        [BUDGET_PINNED] = "pinned", [BUDGET_STARTING] = "starting", [BUDGET_LEARNED] = "learned"};
    buf_printf(out, "\"batch_budget\":{\"tokens\":%zu,", budget->tokens);
    json_put_field(out, "origin", origins[budget->origin]);
    buf_puts(out, "\"measured\":[");
    for (int i = 0; i < budget->count; i++)
        buf_printf(out, "%s{\"tokens\":%zu,\"ns_per_token\":%.0f,\"trials\":%d}", i ? "," : "",
                   budget->sizes[i].tokens, budget->sizes[i].ns_per_token, budget->sizes[i].trials);
    buf_puts(out, "]},");
}

static void put_models(struct buf *out, const struct api *root)
{
    buf_puts(out, "\"models\":[");
    for (int i = 0; i < root->model_count; i++) {
        const char *name = api_model_name(root->models[i]);
        buf_puts(out, i ? "," : "");
        json_put_string(out, name, strlen(name));
    }
    buf_puts(out, "],");
}

/* What TEI does not know of. */
static void put_own(struct buf *out, struct api *api, struct http_exchange *x,
                    const struct budget_state *budget)
{
    const struct sched_options *sched = sched_options(api->sched);
    const struct model_desc *desc = &sched_engine(api->sched)->desc;
    buf_puts(out, "\"linnet\":{");
    json_put_field(out, "name", api_model_name(api));
    buf_printf(out, "\"wants_key\":%s,", api->root->keys ? "true" : "false");
    json_put_field(out, "task", desc->task_name);
    json_put_field(out, "engine", desc->engine);
    json_put_field(out, "architecture", desc->architecture);
    if (desc->mask_token)
        json_put_field(out, "mask_token", desc->mask_token);
    json_put_field(out, "problem_type", problem_type_name(desc->problem_type));
    json_put_field(out, "precision", desc->precision);
    json_put_field(out, "stored", desc->stored);
    json_put_field(out, "isa", desc->isa);
    if (engine_workers(sched_engine(api->sched)))
        json_put_field(out, "python", engine_workers(sched_engine(api->sched))->host);
    if (desc->sentence)
        buf_printf(out, "\"dimensions\":%d,\"normalises\":%s,\"pooling_assumed\":%s,", desc->columns,
                   sentence_gives_unit_length(desc->sentence) ? "true" : "false",
                   desc->sentence->origin == POOLING_ASSUMED ? "true" : "false");
    if (models_all(api, x))
        put_models(out, api->root);
    put_budget(out, budget);
    buf_printf(out, "\"parameters\":%llu,\"lanes\":%d,\"threads_per_lane\":%d,\"tokens_per_second\":%.0f}",
               (unsigned long long)desc->parameters, sched->lanes, sched->threads_per_lane,
               sched_rate(api->sched));
}

/* The names of TEI 1.9's /info, then an object of our own. */
void page_info(struct api *api, struct http_exchange *x)
{
    struct buf body;
    for (int i = 0; models_all(api, x) && !api->sched && i < api->root->model_count; i++)
        api = api->root->models[i];
    if (*api->failure) {
        struct error err;
        models_say_loading(api, &err);
        answer_error(x, &own_dialect, &err);
        return;
    }
    if (!api->sched) {
        answer_state(x, 503, "loading");
        return;
    }
    const struct model_desc *desc = &sched_engine(api->sched)->desc;
    const struct sched_options *sched = sched_options(api->sched);
    struct budget_state budget = sched_budget(api->sched);
    char batch_items[24] = "null";
    if (sched->batch_items)
        snprintf(batch_items, sizeof batch_items, "%zu", sched->batch_items);
    buf_init(&body);
    buf_putc(&body, '{');
    json_put_field(&body, "model_id", desc->name);
    json_put_field(&body, "model_sha", NULL);
    json_put_field(&body, "model_dtype", desc->result == RESULT_JSON ? desc->precision : "float32");
    put_model_type(&body, desc);
    buf_printf(&body,
               ",\"max_concurrent_requests\":%zu,\"max_input_length\":%d,\"max_batch_tokens\":%zu,"
               "\"max_batch_requests\":%s,\"max_client_batch_size\":%zu,\"auto_truncate\":%s,"
               "\"tokenization_workers\":%d,",
               sched->queue_jobs, desc->max_tokens, budget.tokens, batch_items, api->options.max_texts,
               api->options.auto_truncate ? "true" : "false", http_helpers());
    json_put_field(&body, "version", api->options.version);
    json_put_field(&body, "sha", NULL);
    json_put_field(&body, "docker_label", NULL);
    put_own(&body, api, x, &budget);
    buf_putc(&body, '}');
    answer_json(x, 200, &body);
}
