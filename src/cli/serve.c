#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/embedded.h"
#include "cli/engines.h"
#include "cli/models.h"
#include "cli/setup.h"
#include "cli/tei_options.h"
#include "cli/version.h"
#include "engine/embedding.h"

enum { ADDRESS_SIZE = 300, EXAMPLE_SIZE = 200 };

/* There is one server in a process: a static object, so that the option table can be const. */
static struct serve {
    struct setup setup;
    struct engine_choice choice;
    struct http_options http;
    struct api_options api_options;
    struct sched_options sched_options;
    struct tei_options tei;
    const char *log_level, *log_format;
    bool no_ui, allow_missing;
    struct option_list origins;
    int lanes;
    size_t batch_tokens, queue_budgets; /* 0: the scheduler's default */

    struct http_server *server;
    struct api *api;
    struct lanes *lanes_started;
    struct served_models models;
    pthread_t loader;
    struct http_task loaded;
    struct error load_error; /* kind ERR_NONE: the model is ready */
    uint64_t begin_ns;
    atomic_bool load_ended; /* by the loader */
    bool loop_ended;        /* by the loop thread: nobody is left to serve */
} serving = {.log_level = "info", .log_format = "text"};

/* --- Loading, beside the loop that already listens */

/* A prompt that no request could be given is a mistake of whoever starts, not of each client. A model that
 * could not be loaded may be the one that it is for. */
static bool check_prompts(const struct serve *serve, struct error *err)
{
    const char *name = serve->tei.default_prompt_name, *text;
    bool any = false;
    for (int i = 0; i < serve->models.count; i++) {
        const struct engine *engine = serve->models.of[i].engine;
        any |= !engine || engine->desc.sentence;
        if (!engine || !engine->desc.sentence)
            continue;
        if (name && !embedding_prompt(&engine->desc, name, &text, err)) {
            err->kind = ERR_USAGE;
            return error_prefix(err, "--default-prompt-name: %.200s", engine->desc.name);
        }
    }
    return any || (!name && !serve->tei.default_prompt) ||
           error_set(err, ERR_USAGE, "--default-prompt%s is for embeddings, which no model here makes",
                     name ? "-name" : "");
}

static bool load(struct serve *serve, struct error *err)
{
    struct engine *engines[API_MODELS];
    if (!models_load(&serve->models, &serve->setup, serve->allow_missing, err) || !check_prompts(serve, err))
        return false;
    serve->sched_options.batch_inputs = serve->choice.batch_size;
    serve->lanes_started =
        lanes_start(engines, models_engines(&serve->models, engines), &serve->sched_options, err);
    return serve->lanes_started != NULL;
}

static const char *address_of(const struct serve *serve, char address[ADDRESS_SIZE])
{
    bool ipv6 = strchr(serve->http.host, ':') != NULL;
    snprintf(address, ADDRESS_SIZE, "http://%s%s%s:%d", ipv6 ? "[" : "", serve->http.host, ipv6 ? "]" : "",
             http_port(serve->server));
    return address;
}

/* Where nobody can read it, the server goes on, and its end is no failure. */
static void flush_news(void)
{
    if (fflush(stdout) == 0)
        return;
    __fpurge(stdout);
    clearerr(stdout);
}

/* What a person wants to see goes to stdout; stderr has the log, and the one line of a failed start. */
static void print_listening(const struct serve *serve)
{
    char address[ADDRESS_SIZE];
    printf("linnet %s listening on %s\n", LINNET_VERSION, address_of(serve, address));
    flush_news();
}

/* A request that this model can answer. */
static const char *example_of(const struct model_desc *desc, char text[EXAMPLE_SIZE])
{
    const char *inputs = "I love you. I like you. I am your friend.", *more = "";
    char masked[EXAMPLE_SIZE / 2];
    if (strcmp(desc->task_name, "fill-mask") == 0) {
        snprintf(masked, sizeof masked, "I %s you.", desc->mask_token ? desc->mask_token : "[MASK]");
        inputs = masked;
    }
    if (strcmp(desc->task_name, "zero-shot-classification") == 0)
        more = ", \"parameters\": {\"candidate_labels\": [\"love\", \"war\"]}";
    snprintf(text, EXAMPLE_SIZE, "{\"inputs\": \"%s\"%s}", inputs, more);
    return text;
}

static void print_ready(const struct serve *serve, const struct served_model *model, struct sched *place)
{
    const struct model_desc *desc = &model->engine->desc;
    const struct sched_options *sched = sched_options(place);
    const char *name = *model->name ? model->name : desc->name;
    double ms = (double)(clock_ns() - serve->begin_ns) * 1e-6;
    if (engine_workers(model->engine))
        log_info("%s is ready after %.0f ms: %s for %s on %s, Python workers: %d", name, ms,
                 desc->architecture, desc->task_name, desc->isa, sched->lanes);
    else
        log_info("%s is ready after %.0f ms: %s, %s on %s, lanes x threads %d x %d", name, ms,
                 desc->architecture, desc->precision, desc->isa, sched->lanes, sched->threads_per_lane);
    if (desc->sentence && desc->sentence->origin == POOLING_ASSUMED)
        log_warn("%s does not say how its embeddings are pooled: taking the mean; --pooling chooses", name);
    char address[ADDRESS_SIZE], example[EXAMPLE_SIZE];
    printf("serving %s; try:\n  curl -X POST %s%s%s%s -H 'Content-Type: application/json' -d '%s'\n", name,
           address_of(serve, address), serve->models.count > 1 ? "/models/" : "",
           serve->models.count > 1 ? model->name : "",
           desc->task == TASK_TEXT_CLASSIFICATION  ? "/age"
           : desc->task == TASK_FEATURE_EXTRACTION ? "/embed"
           : desc->task == TASK_SPARSE_EMBEDDING   ? "/embed_sparse"
                                                   : "/",
           example_of(desc, example));
    flush_news();
}

/* Loop thread: the loader has ended. */
static void on_loaded(struct http_task *task)
{
    struct serve *serve = (struct serve *)((char *)task - offsetof(struct serve, loaded));
    if (serve->loop_ended)
        return;
    if (serve->load_error.kind != ERR_NONE) {
        http_stop(serve->server);
        return;
    }
    for (int i = 0, place = 0; i < serve->models.count; i++) {
        struct served_model *model = &serve->models.of[i];
        if (!model->engine) {
            api_fail(model->api, model->failure.message);
            continue;
        }
        struct sched *sched = lanes_sched(serve->lanes_started, place++);
        api_ready(model->api, sched);
        print_ready(serve, model, sched);
    }
}

static void *loader_main(void *argument)
{
    struct serve *serve = argument;
    struct error err;
    if (!load(serve, &err))
        serve->load_error = err;
    serve->loaded.run = on_loaded;
    http_post(serve->server, &serve->loaded);
    atomic_store(&serve->load_ended, true);
    return NULL;
}

/* --- Running */

static int run_server(struct serve *serve)
{
    print_listening(serve);
    int problem = pthread_create(&serve->loader, NULL, loader_main, serve);
    if (problem) {
        struct error err;
        error_set_errno(&err, problem, "starting the thread that loads the model");
        return report(&err);
    }
    bool drained = http_run(serve->server);
    int code = drained ? EXIT_OK : EXIT_FAILED;
    serve->loop_ended = true;
    /* Told to stop while the model loads: no request was taken, and loading cannot be cut short. */
    if (!atomic_load(&serve->load_ended))
        _exit(code);
    pthread_join(serve->loader, NULL);
    if (serve->load_error.kind != ERR_NONE)
        return report(&serve->load_error);
    return code;
}

/* One a model; the first is also the server's. */
static bool open_apis(struct serve *serve, struct error *err)
{
    serve->api = serve->models.of[0].api = api_open(&serve->api_options, err);
    for (int i = 1; serve->api && i < serve->models.count; i++) {
        struct served_model *model = &serve->models.of[i];
        model->api = api_add(serve->api, model->name, err);
        if (model->api)
            continue;
        api_close(serve->api);
        return false;
    }
    return serve->api != NULL;
}

static int serve_models(struct serve *serve)
{
    struct error err;
    serve->begin_ns = clock_ns();
    if (!open_apis(serve, &err))
        return report(&err);
    struct http_handler handler = api_handler(serve->api);
    serve->server = http_open(&serve->http, &handler, &err);
    if (!serve->server) {
        api_close(serve->api);
        return report(&err);
    }
    api_attach(serve->api, serve->server);
    int code = run_server(serve);
    models_interrupt(&serve->models);
    /* Lanes hand their last jobs to the loop, which http_close() runs out. */
    for (int i = 0; i < serve->models.count; i++)
        api_ready(serve->models.of[i].api, NULL);
    lanes_stop(serve->lanes_started);
    http_close(serve->server);
    api_close(serve->api);
    models_close(&serve->models);
    return code;
}

/* --- Options */

static bool parse_log(const struct serve *serve, struct error *err)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    bool json = strcmp(serve->log_format, "json") == 0;
    if (!json && strcmp(serve->log_format, "text") != 0)
        return error_set(err, ERR_USAGE, "--log-format is \"%.40s\", want text or json", serve->log_format);
    for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        if (strcmp(serve->log_level, levels[level]) == 0) {
            log_setup(level, json);
            return true;
        }
    }
    return error_set(err, ERR_USAGE, "--log-level is \"%.40s\", want error, warn, info or debug",
                     serve->log_level);
}

/* A browser sends scheme://host[:port] and no more, so that anything else would allow nobody. */
static bool is_origin(const char *text, size_t length)
{
    size_t scheme = 0;
    while (isalnum((unsigned char)text[scheme]) ||
           (scheme > 0 && text[scheme] && strchr("+-.", text[scheme])))
        scheme++; /* RFC 3986, 3.1 */
    size_t host = scheme + 3;
    return scheme > 0 && host < length && memcmp(text + scheme, "://", 3) == 0 &&
           strcspn(text + host, "/?#@ \t,") == length - host;
}

/* "*" or origins with commas between them. */
static bool are_origins(const char *value)
{
    const char *at = value;
    while (*at) {
        size_t length = strcspn(at, ",");
        if (!(length == 1 && *at == '*') && !is_origin(at, length))
            return false;
        at += length + (at[length] == ',');
        at += strspn(at, " \t");
    }
    return at > value;
}

static bool check_origins(const struct option_list *origins, struct error *err)
{
    for (size_t i = 0; i < origins->count; i++)
        if (!are_origins(origins->values[i]))
            return error_set(err, ERR_USAGE,
                             "--cors-allow-origin is \"%.100s\", want * or an origin such as "
                             "https://example.org, without a path",
                             origins->values[i]);
    return true;
}

/* What follows from the options together, checked before anything listens. */
static bool settle(struct serve *serve, struct error *err)
{
    struct sched_options *sched = &serve->sched_options;
    const struct native_options native = setup_native(&serve->setup);
    sched_options_default(sched, serve->setup.threads);
    sched->queue_jobs = serve->api_options.max_requests;
    sched->batch_tokens = serve->batch_tokens;
    sched->batch_items = serve->tei.batch_requests;
    if (serve->queue_budgets)
        sched->queue_budgets = serve->queue_budgets;
    if (serve->lanes > serve->setup.threads)
        return error_set(err, ERR_USAGE, "--lanes is %d, more than the %d threads there are for them",
                         serve->lanes, serve->setup.threads);
    if (serve->lanes) {
        sched->lanes = serve->lanes;
        sched->threads_per_lane = serve->setup.threads / serve->lanes;
    }
    if (serve->tei.prometheus_port && serve->tei.prometheus_port == serve->http.port)
        return error_set(err, ERR_USAGE, "--prometheus-port is %d, as --port is: want another, or neither",
                         serve->http.port);
    if (serve->http.max_all_bodies_bytes < serve->http.max_body_bytes)
        return error_set(err, ERR_USAGE,
                         "--payload-limit-all is %zu, less than one body of --payload-limit %zu",
                         serve->http.max_all_bodies_bytes, serve->http.max_body_bytes);
    serve->api_options.version = LINNET_VERSION;
    if (!serve->no_ui)
        serve->api_options.assets = embedded_assets(&serve->api_options.asset_count);
    serve->api_options.api_key = serve->tei.api_key;
    serve->api_options.api_key_file = serve->tei.api_key_file;
    serve->api_options.default_prompt = serve->tei.default_prompt;
    serve->api_options.default_prompt_name = serve->tei.default_prompt_name;
    serve->http.second_port = serve->tei.prometheus_port;
    serve->http.cors_origins = serve->origins.values;
    serve->http.cors_origin_count = serve->origins.count;
    if (serve->tei.json_output)
        serve->log_format = "json";
    serve->api_options.deadline_ms = (unsigned)serve->http.request_ms;
    serve->api_options.max_body_bytes = serve->http.max_body_bytes;
    return native_check(&native, err) && check_origins(&serve->origins, err) && parse_log(serve, err) &&
           tei_settle(&serve->tei, err);
}

/* MODEL, or --model-id; a directory is called by its last part. */
static bool take_model(struct serve *serve, const char *positional, struct error *err)
{
    static char name[300];
    struct stat info;
    const char *model = positional ? positional : serve->tei.model_id;
    serve->models.count = 1;
    serve->models.of[0].model = model;
    serve->models.of[0].choice = serve->choice;
    serve->api_options.model_name = serve->tei.served_model_name;
    if (model && !serve->tei.served_model_name && stat(model, &info) == 0) {
        size_t length = strlen(model);
        while (length > 1 && model[length - 1] == '/')
            length--;
        const char *slash = memrchr(model, '/', length);
        size_t skipped = slash && length > 1 ? (size_t)(slash + 1 - model) : 0;
        snprintf(name, sizeof name, "%.*s", (int)(length - skipped), model + skipped);
        serve->api_options.model_name = name;
    }
    return !positional || !serve->tei.model_id || strcmp(positional, serve->tei.model_id) == 0 ||
           error_set(err, ERR_USAGE, "--model-id (or MODEL_ID) is %.200s and MODEL is %.200s, want one",
                     serve->tei.model_id, positional);
}

/* NAME=MODEL ..., or one model as it was before there were several. */
static bool take_models(struct serve *serve, const char *const positional[], size_t count, struct error *err)
{
    if (count == 0 || (count == 1 && !models_is_named(positional[0])))
        return take_model(serve, count ? positional[0] : NULL, err);
    const char *of_one = serve->tei.model_id            ? "model-id"
                         : serve->tei.served_model_name ? "served-model-name"
                                                        : NULL;
    if (of_one)
        return error_set(err, ERR_USAGE, "--%s is for one model without a name, and there is %s", of_one,
                         positional[0]);
    if (!models_parse(positional, count, &serve->choice, &serve->setup, &serve->models, err))
        return false;
    serve->api_options.model_name = serve->models.of[0].name;
    return true;
}

static const struct option_row rows[] = {
    {OPTION_GROUP, NULL, NULL, "Address", NULL, 0, 0},
    {OPTION_STRING, "host", "ADDRESS", "address to listen on (default 127.0.0.1)", &serving.http.host, 0, 0},
    {OPTION_INT, "port", "N", "port; 0 lets the system choose (default 8080)", &serving.http.port, 0, 65535},
    {OPTION_LIST, "cors-allow-origin", "ORIGIN",
     "let pages of that origin (or *) call; again for more (default: none)", &serving.origins, 0, 0},
    {OPTION_FLAG, "no-ui", NULL, "no page at GET /", &serving.no_ui, 0, 0},
    KEY_ROWS(serving.tei),
    {OPTION_GROUP, NULL, NULL, "Model", NULL, 0, 0},
    REVISION_ROW(serving.setup),
    ENGINE_ROWS(serving.choice),
    POOLING_ROW(serving.setup),
    {OPTION_FLAG, "allow-missing", NULL, "of several models serve those that can be loaded",
     &serving.allow_missing, 0, 0},
    SETUP_ROWS(serving.setup),
    {OPTION_INT, "lanes", "N",
     "batches computed at once, by threads / N threads each (default: teams of at most 8)", &serving.lanes, 1,
     1024},
    {OPTION_SIZE, "batch-tokens", "N", "tokens computed together (default: learned under load; see /info)",
     &serving.batch_tokens, 1, 65536},
    {OPTION_GROUP, NULL, NULL, "Limits", NULL, 0, 0},
    {OPTION_FLAG, "auto-truncate", NULL, "cut texts over the model's limit instead of answering 413",
     &serving.api_options.auto_truncate, 0, 0},
    {OPTION_SIZE, "max-concurrent-requests", "N",
     "requests that may wait or be computed; more get 429 (default 512)", &serving.api_options.max_requests,
     1, 1 << 20},
    {OPTION_SIZE, "max-waiting-batches", "N", "batches of tokens that may wait; more get 429 (default 64)",
     &serving.queue_budgets, 2, 1 << 20},
    {OPTION_SIZE, "max-client-batch-size", "N",
     "texts of a request that wait at a time; /age and / take no more (default 512)",
     &serving.api_options.max_texts, 1, 65536},
    {OPTION_SIZE, "payload-limit", "BYTES", "body of one request; more gets 413 (default 2097152)",
     &serving.http.max_body_bytes, 1, 1 << 30},
    {OPTION_SIZE, "payload-limit-all", "BYTES",
     "bodies of all requests together; more get 503 (default 67108864)", &serving.http.max_all_bodies_bytes,
     1, 1L << 40},
    {OPTION_SIZE, "max-header-bytes", "BYTES", "request line and fields; more get 431 (default 16384)",
     &serving.http.max_header_bytes, 64, 1 << 20},
    {OPTION_INT, "max-header-fields", "N", "fields of a header; more get 431 (default 100)",
     &serving.http.max_header_fields, 1, 10000},
    {OPTION_INT, "max-connections", "N", "open connections (default 10000)", &serving.http.max_connections, 1,
     1 << 20},
    {OPTION_GROUP, NULL, NULL, "Times in ms, each from its own start, not from the last byte", NULL, 0, 0},
    {OPTION_INT, "request-timeout", "MS",
     "from a whole request to its answer; later gets 504 (default 30000)", &serving.http.request_ms, 1,
     3600000},
    {OPTION_INT, "header-timeout", "MS", "to receive a header (default 10000)", &serving.http.header_ms, 1,
     3600000},
    {OPTION_INT, "body-timeout", "MS", "to receive a body (default 30000)", &serving.http.body_ms, 1,
     3600000},
    {OPTION_INT, "write-timeout", "MS", "to send an answer (default 30000)", &serving.http.write_ms, 1,
     3600000},
    {OPTION_INT, "idle-timeout", "MS", "between requests of a connection (default 75000)",
     &serving.http.idle_ms, 1, 3600000},
    {OPTION_INT, "drain-timeout", "MS", "to finish what was accepted after SIGTERM (default 30000)",
     &serving.http.drain_ms, 1, 3600000},
    {OPTION_GROUP, NULL, NULL, "Log", NULL, 0, 0},
    {OPTION_STRING, "log-level", "LEVEL", "error, warn, info or debug (default info)", &serving.log_level, 0,
     0},
    {OPTION_STRING, "log-format", "FORMAT", "text or json (default text)", &serving.log_format, 0, 0},
    {OPTION_FLAG, "access-log", NULL, "a line for each answer", &serving.http.access_log, 0, 0},
    TEI_ROWS(serving.tei, serving.http.host, serving.batch_tokens),
};

static const struct usage usage = {
    .line = "linnet serve [options] [MODEL | NAME=MODEL ...]",
    .text = "Serves MODEL, a directory or a Hub name (or the embedded sentiment model), over HTTP:\n"
            "the paths of Hugging Face, text-embeddings-inference, OpenAI, Cohere, Jina and the\n"
            "Open Inference Protocol, GET /info /health /live /metrics; GET /docs lists all. Several\n"
            "models, each NAME=MODEL, share threads and time; a request names its model by the path\n"
            "(/models/NAME/embed) or a \"model\" field, else gets the first that the path is for.",
    .examples = "  linnet serve\n"
                "  linnet serve --engine python --task token-classification ./my-model\n"
                "  linnet serve ./my-model --host 0.0.0.0 --port 80\n"
                "  linnet serve distilbert/distilbert-base-uncased-finetuned-sst-2-english\n"
                "  linnet serve embed=sentence-transformers/all-MiniLM-L6-v2 rerank=./my-reranker\n"
                "  linnet serve --auto-truncate --max-concurrent-requests 64 --access-log --log-format json",
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
};

static int serve_main(int argc, char **argv)
{
    const char *positional[API_MODELS + 1];
    size_t count;
    struct error err;
    setup_default(&serving.setup);
    engine_choice_default(&serving.choice);
    http_options_default(&serving.http);
    api_options_default(&serving.api_options);
    if (!tei_read_environment(&usage, &err))
        return report(&err);
    enum parsed parsed = options_parse(&usage, argc, argv, positional, API_MODELS + 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG || !settle(&serving, &err) || !take_models(&serving, positional, count, &err))
        return report(&err);
    return serve_models(&serving);
}

const struct command serve_command = {"serve", "serve models over HTTP", serve_main};
