#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/stats.h"
#include "base/team.h"
#include "unit.h"

enum { MOST_THREADS = 9 };

struct sums {
    long long by_part[MOST_THREADS];
    int parts, count;
};

static void add_share(void *context, int part, int parts)
{
    struct sums *sums = context;
    int begin, end;
    team_split(sums->count, part, parts, &begin, &end);
    assert_int_equal(parts, sums->parts);
    for (int i = begin; i < end; i++)
        sums->by_part[part] += i;
}

static void every_part_runs_once_a_call_with_any_number_of_threads(void **state)
{
    (void)state;
    struct error err;
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        struct team *team = team_start(threads, &err);
        assert_non_null(team);
        assert_int_equal(team_threads(team), threads);
        for (int round = 0; round < 2000; round++) {
            struct sums sums = {.parts = threads, .count = 1000};
            long long sum = 0;
            team_run(team, add_share, &sums);
            for (int part = 0; part < threads; part++)
                sum += sums.by_part[part];
            assert_int_equal(sum, 999 * 1000 / 2);
        }
        team_stop(team);
    }
}

static void a_team_that_parked_wakes_again(void **state)
{
    (void)state;
    struct error err;
    struct team *team = team_start(2, &err);
    assert_non_null(team);
    for (int round = 0; round < 20; round++) {
        struct sums sums = {.parts = 2, .count = 10};
        usleep(3000);
        team_run(team, add_share, &sums);
        assert_int_equal(sums.by_part[0] + sums.by_part[1], 45);
    }
    team_stop(team);
}

static void an_idle_team_uses_no_cpu(void **state)
{
    (void)state;
    struct error err;
    struct timespec before, after;
    struct team *team = team_start(4, &err);
    assert_non_null(team);
    usleep(50000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(300000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
    assert_true(seconds < 0.02);
    team_stop(team);
}

static void shares_are_even_in_order_and_complete(void **state)
{
    (void)state;
    for (int count = 0; count < 40; count++) {
        for (int parts = 1; parts < 12; parts++) {
            int at = 0;
            for (int part = 0; part < parts; part++) {
                int begin, end;
                team_split(count, part, parts, &begin, &end);
                assert_int_equal(begin, at);
                assert_in_range(end - begin, count / parts, (count + parts - 1) / parts);
                at = end;
            }
            assert_int_equal(at, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_once_a_call_with_any_number_of_threads),
        cmocka_unit_test(a_team_that_parked_wakes_again),
        cmocka_unit_test(an_idle_team_uses_no_cpu),
        cmocka_unit_test(shares_are_even_in_order_and_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
