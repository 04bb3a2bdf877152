/* The scheduler over an engine that only waits: lanes, and a budget that they learn together. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sched/sched.h"
#include "unit.h"

static void lanes_are_as_few_as_teams_of_at_most_8_threads_allow(void **state)
{
    (void)state;
    static const int expected[][3] = {{1, 1, 1},  {2, 1, 2},  {8, 1, 8}, {9, 2, 4},
                                      {16, 2, 8}, {20, 3, 6}, {64, 8, 8}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct sched_options options;
        sched_options_default(&options, expected[i][0]);
        assert_int_equal(options.lanes, expected[i][1]);
        assert_int_equal(options.threads_per_lane, expected[i][2]);
    }
}

/* --- An engine whose batches take 2 ms and 1 us a token: the more in one the better */

static struct lane *open_lane(const struct engine *engine, struct team *team, int threads, struct error *err)
{
    (void)team;
    (void)threads;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        error_set(err, ERR_NO_MEMORY, "no memory for a lane");
    else
        lane->engine = engine;
    return lane;
}

static void run_lane(struct lane *lane, struct item *const items[], size_t count)
{
    (void)lane;
    uint64_t ns = 2000000;
    for (size_t i = 0; i < count; i++) {
        ns += items[i]->cost * 1000;
        items[i]->error = ERR_NONE;
    }
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static void close_lane(struct lane *lane)
{
    free(lane);
}

static const struct engine_operations operations = {
    .lane_open = open_lane, .lane_run = run_lane, .lane_close = close_lane};

enum { JOBS = 64, LANES = 3, TEXT_TOKENS = 16 };

struct endless_job {
    struct job job;
    struct item items[8];
    atomic_bool waits;
};

static void on_done(struct job *job)
{
    atomic_store(&((struct endless_job *)job)->waits, false);
}

static void submit(struct sched *sched, struct endless_job *job)
{
    struct error err;
    enum { ITEMS = sizeof job->items / sizeof *job->items };
    job->job = (struct job){.items = job->items, .count = ITEMS, .done = on_done};
    for (int i = 0; i < ITEMS; i++)
        job->items[i] = (struct item){.job = &job->job, .cost = TEXT_TOKENS, .length = TEXT_TOKENS};
    atomic_store(&job->waits, true);
    assert_true(sched_submit(sched, &job->job, &err));
}

static void lanes_learn_one_budget_and_answer_every_job(void **state)
{
    (void)state;
    struct error err;
    struct engine engine = {.operations = &operations, .desc = {.precision = "int8"}};
    struct sched_options options;
    sched_options_default(&options, 1);
    options.lanes = LANES;
    struct endless_job *jobs = calloc(JOBS, sizeof *jobs);
    assert_non_null(jobs);
    struct engine *engines[] = {&engine};
    struct lanes *lanes = lanes_start(engines, 1, &options, &err);
    assert_non_null(lanes);
    struct sched *sched = lanes_sched(lanes, 0);
    assert_int_equal(sched_budget(sched).origin, BUDGET_STARTING);
    uint64_t end = clock_ns() + 60000000000u;
    while (sched_budget(sched).tokens < 256 && clock_ns() < end) {
        for (int i = 0; i < JOBS; i++)
            if (!atomic_load(&jobs[i].waits))
                submit(sched, &jobs[i]);
        usleep(200);
    }
    struct budget_state budget = sched_budget(sched);
    lanes_stop(lanes);
    for (int i = 0; i < JOBS; i++)
        assert_false(atomic_load(&jobs[i].waits));
    assert_int_equal(budget.origin, BUDGET_LEARNED);
    assert_in_range(budget.tokens, 256, budget_tokens(BUDGET_SIZES - 1));
    free(jobs);
}

/* --- Several models on the same lanes */

static void models_share_the_lanes_and_a_flood_of_one_does_not_keep_the_other_waiting(void **state)
{
    (void)state;
    struct error err;
    struct engine engines[2] = {{.operations = &operations, .desc = {.precision = "int8"}},
                                {.operations = &operations, .desc = {.precision = "fp32"}}};
    struct engine *pointers[] = {&engines[0], &engines[1]};
    struct sched_options options;
    sched_options_default(&options, 1);
    options.batch_tokens = 32;
    struct endless_job *jobs = calloc(JOBS + 1, sizeof *jobs);
    assert_non_null(jobs);
    struct lanes *lanes = lanes_start(pointers, 2, &options, &err);
    assert_non_null(lanes);
    struct sched *flooded = lanes_sched(lanes, 0), *other = lanes_sched(lanes, 1);
    assert_ptr_equal(sched_engine(flooded), &engines[0]);
    assert_ptr_equal(sched_engine(other), &engines[1]);
    for (int i = 0; i < JOBS - 50; i++)
        submit(flooded, &jobs[i]);
    submit(other, &jobs[JOBS]);
    while (atomic_load(&jobs[JOBS].waits))
        usleep(200);
    /* Its 4 batches took turns with the flood's 56; a disturbed machine makes some of these seem short. */
    assert_true(atomic_load(&sched_stats(flooded)->batches) <= 28);
    assert_int_equal(atomic_load(&sched_stats(other)->batches), 4);
    for (int i = 0; i < JOBS - 50; i++)
        while (atomic_load(&jobs[i].waits))
            usleep(200);
    assert_int_equal(atomic_load(&sched_stats(flooded)->tokens), (JOBS - 50) * 8 * TEXT_TOKENS);
    lanes_stop(lanes);
    free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_are_as_few_as_teams_of_at_most_8_threads_allow),
        cmocka_unit_test(lanes_learn_one_budget_and_answer_every_job),
        cmocka_unit_test(models_share_the_lanes_and_a_flood_of_one_does_not_keep_the_other_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
