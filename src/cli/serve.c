#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/engines.h"
#include "cli/setup.h"
#include "cli/version.h"

enum { ADDRESS_SIZE = 300 };

/* There is one server in a process: a static object, so that the option table can be const. */
static struct serve {
    struct setup setup;
    struct engine_choice choice;
    struct http_options http;
    struct api_options api_options;
    struct sched_options sched_options;
    const char *model, *log_level, *log_format;
    int lanes;
    size_t batch_tokens, queue_budgets; /* 0: the scheduler's default */

    struct http_server *server;
    struct api *api;
    struct sched *sched;
    struct model_files files;
    struct engine *engine;
    pthread_t loader;
    struct http_task loaded;
    struct error load_error; /* kind ERR_NONE: the model is ready */
    uint64_t begin_ns;
    atomic_bool load_ended; /* by the loader */
    bool loop_ended;        /* by the loop thread: nobody is left to serve */
} serving = {.log_level = "info", .log_format = "text"};

/* --- Loading, beside the loop that already listens */

static bool load(struct serve *serve, struct error *err)
{
    if (!engine_choice_open(&serve->choice, &serve->setup, serve->model, &serve->files, &serve->engine, err))
        return false;
    const struct worker_stats *workers = engine_workers(serve->engine);
    if (workers) {
        serve->sched_options.lanes = workers->workers;
        serve->sched_options.threads_per_lane = 1;
        serve->sched_options.batch_tokens = serve->choice.batch_size; /* each input costs 1 */
    }
    serve->sched = sched_start(serve->engine, &serve->sched_options, err);
    return serve->sched != NULL;
}

static const char *address_of(const struct serve *serve, char address[ADDRESS_SIZE])
{
    bool ipv6 = strchr(serve->http.host, ':') != NULL;
    snprintf(address, ADDRESS_SIZE, "http://%s%s%s:%d", ipv6 ? "[" : "", serve->http.host, ipv6 ? "]" : "",
             http_port(serve->server));
    return address;
}

/* What a person wants to see goes to stdout; stderr has the log, and the one line of a failed start. */
static void print_listening(const struct serve *serve)
{
    char address[ADDRESS_SIZE];
    printf("linnet %s listening on %s\n", LINNET_VERSION, address_of(serve, address));
    fflush(stdout);
}

/* A request that this model can answer. */
static const char *example_of(const struct model_desc *desc)
{
    if (strcmp(desc->task_name, "zero-shot-classification") == 0)
        return "{\"inputs\": \"I love you.\", \"parameters\": {\"candidate_labels\": [\"love\", \"war\"]}}";
    if (strcmp(desc->task_name, "fill-mask") == 0)
        return "{\"inputs\": \"I [MASK] you.\"}";
    return "{\"inputs\": \"I love you. I like you. I am your friend.\"}";
}

static void print_ready(const struct serve *serve)
{
    const struct model_desc *desc = &serve->engine->desc;
    double ms = (double)(clock_ns() - serve->begin_ns) * 1e-6;
    if (engine_workers(serve->engine))
        log_info("%s is ready after %.0f ms: %s for %s on %s, Python workers: %d", desc->name, ms,
                 desc->architecture, desc->task_name, desc->isa, serve->sched_options.lanes);
    else
        log_info("%s is ready after %.0f ms: %s, %s on %s, lanes x threads %d x %d", desc->name, ms,
                 desc->architecture, desc->precision, desc->isa, serve->sched_options.lanes,
                 serve->sched_options.threads_per_lane);
    char address[ADDRESS_SIZE];
    printf("serving %s; try:\n  curl -X POST %s%s -H 'Content-Type: application/json' -d '%s'\n", desc->name,
           address_of(serve, address), desc->task == TASK_TEXT_CLASSIFICATION ? "/age" : "/",
           example_of(desc));
    fflush(stdout);
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
    api_ready(serve->api, serve->sched);
    print_ready(serve);
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

static int serve_model(struct serve *serve)
{
    struct error err;
    serve->begin_ns = clock_ns();
    serve->api = api_open(&serve->api_options, &err);
    if (!serve->api)
        return report(&err);
    struct http_handler handler = api_handler(serve->api);
    serve->server = http_open(&serve->http, &handler, &err);
    if (!serve->server) {
        api_close(serve->api);
        return report(&err);
    }
    api_attach(serve->api, serve->server);
    int code = run_server(serve);
    engine_interrupt(serve->engine);
    /* Lanes hand their last jobs to the loop, which http_close() runs out. */
    api_ready(serve->api, NULL);
    sched_stop(serve->sched);
    http_close(serve->server);
    api_close(serve->api);
    if (serve->engine) {
        engine_close(serve->engine);
        model_files_close(&serve->files);
    }
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

/* What follows from the options together, checked before anything listens. */
static bool settle(struct serve *serve, struct error *err)
{
    struct sched_options *sched = &serve->sched_options;
    const struct native_options native = setup_native(&serve->setup);
    sched_options_default(sched, serve->setup.threads);
    sched->queue_jobs = serve->api_options.max_requests;
    if (serve->batch_tokens)
        sched->batch_tokens = serve->batch_tokens;
    if (serve->queue_budgets)
        sched->queue_budgets = serve->queue_budgets;
    if (serve->lanes > serve->setup.threads)
        return error_set(err, ERR_USAGE, "--lanes is %d, more than the %d threads there are for them",
                         serve->lanes, serve->setup.threads);
    if (serve->lanes) {
        sched->lanes = serve->lanes;
        sched->threads_per_lane = serve->setup.threads / serve->lanes;
    }
    if (serve->http.max_all_bodies_bytes < serve->http.max_body_bytes)
        return error_set(err, ERR_USAGE,
                         "--payload-limit-all is %zu, less than one body of --payload-limit %zu",
                         serve->http.max_all_bodies_bytes, serve->http.max_body_bytes);
    serve->api_options.version = LINNET_VERSION;
    serve->api_options.deadline_ms = (unsigned)serve->http.request_ms;
    serve->api_options.max_body_bytes = serve->http.max_body_bytes;
    return native_check(&native, err) && parse_log(serve, err);
}

static const struct option_row rows[] = {
    {OPTION_GROUP, NULL, NULL, "Address", NULL, 0, 0},
    {OPTION_STRING, "host", "ADDRESS", "address to listen on (default 127.0.0.1)", &serving.http.host, 0, 0},
    {OPTION_INT, "port", "N", "port; 0 lets the system choose (default 8080)", &serving.http.port, 0, 65535},
    {OPTION_STRING, "cors-allow-origin", "ORIGIN", "let pages of that origin (or *) call (default: none)",
     &serving.http.cors_origin, 0, 0},
    ENGINE_ROWS(serving.choice),
    SETUP_ROWS(serving.setup),
    {OPTION_INT, "lanes", "N",
     "batches computed at once, by threads / N threads each (default: teams of at most 8)", &serving.lanes, 1,
     1024},
    {OPTION_SIZE, "batch-tokens", "N", "tokens computed together (default 256)", &serving.batch_tokens, 1,
     65536},
    {OPTION_GROUP, NULL, NULL, "Limits", NULL, 0, 0},
    {OPTION_FLAG, "auto-truncate", NULL, "cut texts over the model's limit instead of answering 413",
     &serving.api_options.auto_truncate, 0, 0},
    {OPTION_SIZE, "max-concurrent-requests", "N",
     "requests that may wait or be computed; more get 429 (default 512)", &serving.api_options.max_requests,
     1, 1 << 20},
    {OPTION_SIZE, "max-waiting-batches", "N", "batches of tokens that may wait; more get 429 (default 64)",
     &serving.queue_budgets, 2, 1 << 20},
    {OPTION_SIZE, "max-client-batch-size", "N", "texts in one request (default 512)",
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
};

static const struct usage usage = {
    .line = "linnet serve [options] [MODEL]",
    .text = "Serves MODEL, a directory in Hugging Face form (or the embedded sentiment model), over HTTP:\n"
            "POST / and /age (transformers' pipeline), POST /predict (text-embeddings-inference), GET /info "
            "/health /live\n"
            "/metrics.",
    .examples = "  linnet serve\n"
                "  linnet serve --engine python --task token-classification ./my-model\n"
                "  linnet serve ./my-model --host 0.0.0.0 --port 80\n"
                "  linnet serve --auto-truncate --max-concurrent-requests 64 --access-log --log-format json",
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
};

static int serve_main(int argc, char **argv)
{
    const char *positional[1];
    size_t count;
    struct error err;
    setup_default(&serving.setup);
    engine_choice_default(&serving.choice);
    http_options_default(&serving.http);
    api_options_default(&serving.api_options);
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_WRONG || !settle(&serving, &err))
        return report(&err);
    serving.model = count ? positional[0] : NULL;
    return serve_model(&serving);
}

const struct command serve_command = {"serve", "serve a model over HTTP", serve_main};
