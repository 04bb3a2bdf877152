/* linnet's HTTP and JSON alone: src/http, src/api and src/sched over an engine that computes nothing. Each
 * text costs one token and gets the same two logits. `stub_server PORT` prints its address and serves until
 * SIGTERM. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"

static bool prepare(const struct engine *engine, const struct input *input,
                    const struct prepare_options *options, struct arena *arena, struct item *out,
                    struct error *err)
{
    (void)input;
    (void)options;
    *out = (struct item){.cost = 1, .length = 1, .full_length = 1, .row_count = 1, .columns = 2};
    out->rows = arena_alloc(arena, (size_t)engine->desc.columns * sizeof *out->rows);
    return out->rows || error_set(err, ERR_NO_MEMORY, "no memory for the result of a text");
}

static struct lane *open_lane(const struct engine *engine, struct team *team, int threads, struct error *err)
{
    (void)team;
    (void)threads;
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane)
        lane->engine = engine;
    else
        error_set(err, ERR_NO_MEMORY, "no memory for a lane");
    return lane;
}

static void run_lane(struct lane *lane, struct item *const items[], size_t count)
{
    (void)lane;
    for (size_t i = 0; i < count; i++) {
        items[i]->rows[0] = -3;
        items[i]->rows[1] = 3;
        items[i]->error = ERR_NONE;
    }
}

static void close_lane(struct lane *lane)
{
    free(lane);
}

static const char *const labels[] = {"NEGATIVE", "POSITIVE"};
static const struct engine_operations operations = {
    .prepare = prepare, .lane_open = open_lane, .lane_run = run_lane, .lane_close = close_lane};
static struct engine stub = {.operations = &operations,
                             .desc = {.name = "stub",
                                      .engine = "native",
                                      .model_type = "stub",
                                      .architecture = "stub",
                                      .task = TASK_TEXT_CLASSIFICATION,
                                      .task_name = "text-classification",
                                      .problem_type = PROBLEM_SINGLE_LABEL,
                                      .columns = 2,
                                      .label_count = 2,
                                      .labels = labels,
                                      .max_tokens = 512,
                                      .precision = "fp32",
                                      .stored = "F32",
                                      .isa = "none"}};

static int fail(const struct error *err)
{
    fprintf(stderr, "stub_server: %s\n", err->message);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct http_options http;
    struct api_options options;
    struct sched_options sched_options;
    struct engine *const engines[] = {&stub};
    struct error err;
    http_options_default(&http);
    api_options_default(&options);
    sched_options_default(&sched_options, 1);
    http.port = argc > 1 ? atoi(argv[1]) : 0;
    options.version = "stub";
    options.deadline_ms = (unsigned)http.request_ms;
    options.max_body_bytes = http.max_body_bytes;
    struct api *api = api_open(&options, &err);
    if (!api)
        return fail(&err);
    const struct http_handler handler = api_handler(api);
    struct http_server *server = http_open(&http, &handler, &err);
    struct lanes *lanes = server ? lanes_start(engines, 1, &sched_options, &err) : NULL;
    if (!lanes) {
        http_close(server);
        api_close(api);
        return fail(&err);
    }
    api_attach(api, server);
    api_ready(api, lanes_sched(lanes, 0));
    printf("listening on http://%s:%d\n", http.host, http_port(server));
    fflush(stdout);
    bool drained = http_run(server);
    api_ready(api, NULL);
    lanes_stop(lanes);
    http_close(server);
    api_close(api);
    return drained ? EXIT_SUCCESS : EXIT_FAILURE;
}
