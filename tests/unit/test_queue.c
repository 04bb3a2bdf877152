#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "sched/queue.h"
#include "unit.h"

enum { MOST_ITEMS = 64 };

struct test_job {
    struct job job;
    struct item items[MOST_ITEMS];
    atomic_int done;
};

static void count_done(struct job *job)
{
    atomic_fetch_add(&((struct test_job *)job)->done, 1);
}

static void make_job(struct test_job *test, size_t count, size_t cost)
{
    memset(test, 0, sizeof *test);
    test->job.items = test->items;
    test->job.count = count;
    test->job.done = count_done;
    for (size_t i = 0; i < count; i++) {
        test->items[i].job = &test->job;
        test->items[i].cost = cost;
    }
}

static struct queue *open_queue(size_t jobs, size_t cost)
{
    struct error err;
    const struct queue_limits limits = {jobs, cost};
    struct queue *queue = queue_open(&limits, 1, &err);
    assert_non_null(queue);
    return queue;
}

static void push(struct queue *queue, struct test_job *test)
{
    struct error err;
    assert_true(queue_push(queue, &test->job, &err));
}

static size_t take(struct queue *queue, size_t budget, struct item *out[], size_t capacity)
{
    struct taken taken;
    return queue_take(queue, &budget, out, capacity, &taken);
}

static void complete(struct item *const items[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        job_complete(items[i]->job, 1);
}

static void a_batch_holds_the_oldest_items_that_fit_the_budget(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 1000);
    struct test_job jobs[3];
    struct item *items[16];
    for (int i = 0; i < 3; i++) {
        make_job(&jobs[i], 1, 40);
        push(queue, &jobs[i]);
    }
    assert_int_equal(take(queue, 100, items, 16), 2);
    assert_ptr_equal(items[0], &jobs[0].items[0]);
    assert_ptr_equal(items[1], &jobs[1].items[0]);
    assert_int_equal(queue_state(queue, 0).cost, 40);
    assert_int_equal(take(queue, 100, items, 16), 1);
    assert_ptr_equal(items[0], &jobs[2].items[0]);
    queue_free(queue);
}

static void a_batch_says_whether_the_budget_left_work(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 1000);
    struct test_job job;
    struct item *items[16];
    const size_t budget = 80;
    struct taken taken;
    make_job(&job, 3, 40);
    push(queue, &job);
    assert_int_equal(queue_take(queue, &budget, items, 16, &taken), 2);
    assert_true(taken.left_work);
    assert_int_equal(queue_take(queue, &budget, items, 16, &taken), 1);
    assert_false(taken.left_work);
    queue_free(queue);
}

static void a_larger_item_comes_alone(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 1000);
    struct test_job large, small;
    struct item *items[16];
    make_job(&large, 1, 500);
    make_job(&small, 1, 10);
    push(queue, &large);
    push(queue, &small);
    assert_int_equal(take(queue, 100, items, 16), 1);
    assert_ptr_equal(items[0], &large.items[0]);
    assert_int_equal(take(queue, 100, items, 16), 1);
    queue_free(queue);
}

static void a_long_job_leaves_half_the_batch_to_others(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 10000);
    struct test_job list, single;
    struct item *items[64];
    make_job(&list, MOST_ITEMS, 10);
    make_job(&single, 1, 10);
    push(queue, &list);
    push(queue, &single);
    size_t count = take(queue, 100, items, 64);
    assert_int_equal(count, 10); /* what the single text left of its half is given back to the list */
    assert_ptr_equal(items[5], &single.items[0]);
    count = take(queue, 100, items, 64);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(items[i]->job, &list.job);
    queue_free(queue);
}

static void jobs_take_turns(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 10000);
    struct test_job jobs[2];
    struct item *items[4];
    for (int i = 0; i < 2; i++) {
        make_job(&jobs[i], 4, 100);
        push(queue, &jobs[i]);
    }
    for (int turn = 0; turn < 8; turn++) {
        assert_int_equal(take(queue, 100, items, 4), 1);
        assert_ptr_equal(items[0]->job, &jobs[turn % 2].job);
    }
    queue_free(queue);
}

static void a_job_past_the_number_of_jobs_is_refused_whole(void **state)
{
    (void)state;
    struct error err;
    struct queue *queue = open_queue(3, 100);
    struct test_job jobs[4];
    struct item *items[8];
    for (int i = 0; i < 3; i++) {
        make_job(&jobs[i], 2, 1);
        push(queue, &jobs[i]);
    }
    make_job(&jobs[3], 1, 1);
    assert_false(queue_has_room(queue, 0));
    assert_false(queue_push(queue, &jobs[3].job, &err));
    assert_int_equal(err.kind, ERR_OVERLOADED);
    assert_string_equal(err.message, "3 requests are waiting, the limit is 3");
    assert_int_equal(take(queue, 1000, items, 8), 6);
    assert_true(queue_has_room(queue, 0));
    push(queue, &jobs[3]);
    assert_int_equal(take(queue, 1000, items, 8), 1);
    queue_free(queue);
}

static void a_job_over_all_limits_is_taken_and_locks_nobody_out(void **state)
{
    (void)state;
    struct error err;
    struct queue *queue = open_queue(10, 100);
    struct test_job huge, second, small[6];
    struct item *items[MOST_ITEMS];
    make_job(&huge, MOST_ITEMS, 10);
    push(queue, &huge); /* 640 of 100: counts for 50 */
    for (int i = 0; i < 6; i++)
        make_job(&small[i], 1, 10);
    for (int i = 0; i < 5; i++)
        push(queue, &small[i]);
    assert_false(queue_push(queue, &small[5].job, &err));
    assert_int_equal(err.kind, ERR_OVERLOADED);
    assert_string_equal(err.message,
                        "690 tokens or texts are waiting and the request has 10, the limit is 100");
    make_job(&second, MOST_ITEMS, 10);
    assert_false(queue_push(queue, &second.job, &err));
    size_t taken = 0;
    while (taken < MOST_ITEMS + 5)
        taken += take(queue, 10000, items, MOST_ITEMS);
    assert_int_equal(queue_state(queue, 0).cost, 0);
    push(queue, &second);
    push(queue, &small[5]);
    assert_int_equal(queue_state(queue, 0).cost, 650);
    queue_close(queue);
    while ((taken = take(queue, 10000, items, MOST_ITEMS)) > 0)
        complete(items, taken);
    assert_int_equal(queue_state(queue, 0).cost, 0);
    queue_free(queue);
}

static void jobs_nobody_waits_for_are_dropped_with_the_reason(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 1000);
    struct test_job left, late, fine;
    struct item *items[16];
    make_job(&left, 2, 10);
    make_job(&late, 3, 10);
    make_job(&fine, 1, 10);
    late.job.deadline_ns = 1;
    fine.job.deadline_ns = clock_ns() + 60000000000ull;
    push(queue, &left);
    push(queue, &late);
    push(queue, &fine);
    atomic_store(&left.job.cancelled, true);
    assert_int_equal(take(queue, 100, items, 16), 1);
    assert_ptr_equal(items[0], &fine.items[0]);
    assert_int_equal(left.done, 1);
    assert_int_equal(late.done, 1);
    assert_int_equal(fine.done, 0);
    assert_int_equal(left.items[1].error, ERR_CANCELLED);
    assert_int_equal(late.items[2].error, ERR_DEADLINE);
    assert_int_equal(queue_state(queue, 0).items_cancelled, 2);
    assert_int_equal(queue_state(queue, 0).items_expired, 3);
    queue_free(queue);
}

static void a_cancelled_job_makes_room_for_a_new_one(void **state)
{
    (void)state;
    struct queue *queue = open_queue(1, 1000);
    struct test_job left, next;
    make_job(&left, 2, 10);
    make_job(&next, 1, 10);
    push(queue, &left);
    assert_false(queue_has_room(queue, 0));
    atomic_store(&left.job.cancelled, true);
    assert_true(queue_has_room(queue, 0));
    assert_int_equal(left.done, 1);
    push(queue, &next);
    queue_close(queue);
    queue_free(queue);
}

static void a_partly_taken_job_that_is_cancelled_ends_once(void **state)
{
    (void)state;
    struct queue *queue = open_queue(10, 1000);
    struct test_job test, other;
    struct item *items[16];
    make_job(&test, 4, 50);
    push(queue, &test);
    size_t count = take(queue, 100, items, 16);
    assert_int_equal(count, 2);
    atomic_store(&test.job.cancelled, true);
    make_job(&other, 1, 1);
    push(queue, &other);
    struct item *next[16];
    assert_int_equal(take(queue, 100, next, 16), 1);
    assert_int_equal(test.done, 0);
    complete(items, count);
    assert_int_equal(test.done, 1);
    queue_free(queue);
}

static void a_closed_queue_hands_out_what_waits_and_takes_nothing_new(void **state)
{
    (void)state;
    struct error err;
    struct queue *queue = open_queue(10, 1000);
    struct test_job waiting, late;
    struct item *items[4];
    make_job(&waiting, 1, 1);
    make_job(&late, 1, 1);
    push(queue, &waiting);
    queue_close(queue);
    assert_false(queue_push(queue, &late.job, &err));
    assert_int_equal(err.kind, ERR_SHUTTING_DOWN);
    assert_int_equal(take(queue, 10, items, 4), 1);
    assert_int_equal(take(queue, 10, items, 4), 0);
    queue_free(queue);
}

/* --- Many threads at once */

enum { PUSHERS = 3, TAKERS = 3, JOBS_EACH = 500 };

static void *take_all(void *argument)
{
    struct item *items[32];
    size_t count;
    while ((count = take(argument, 64, items, 32)) > 0)
        complete(items, count);
    return NULL;
}

struct pusher {
    struct queue *queue;
    struct test_job *jobs;
};

static void *push_all(void *argument)
{
    struct pusher *pusher = argument;
    struct error err;
    for (int i = 0; i < JOBS_EACH; i++) {
        make_job(&pusher->jobs[i], 1 + (size_t)i % 7, 1 + (size_t)i % 11);
        while (!queue_push(pusher->queue, &pusher->jobs[i].job, &err))
            ;
        if (i % 5 == 0)
            atomic_store(&pusher->jobs[i].job.cancelled, true);
    }
    return NULL;
}

static void every_job_ends_exactly_once_under_load(void **state)
{
    (void)state;
    struct queue *queue = open_queue(50, 5000);
    struct test_job *jobs = calloc(PUSHERS * JOBS_EACH, sizeof *jobs);
    pthread_t pushers[PUSHERS], takers[TAKERS];
    struct pusher arguments[PUSHERS];
    assert_non_null(jobs);
    for (int i = 0; i < TAKERS; i++)
        pthread_create(&takers[i], NULL, take_all, queue);
    for (int i = 0; i < PUSHERS; i++) {
        arguments[i] = (struct pusher){queue, jobs + i * JOBS_EACH};
        pthread_create(&pushers[i], NULL, push_all, &arguments[i]);
    }
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(pushers[i], NULL);
    queue_close(queue);
    for (int i = 0; i < TAKERS; i++)
        pthread_join(takers[i], NULL);
    for (int i = 0; i < PUSHERS * JOBS_EACH; i++)
        assert_int_equal(jobs[i].done, 1);
    assert_int_equal(queue_state(queue, 0).items, 0);
    assert_int_equal(queue_state(queue, 0).cost, 0);
    queue_free(queue);
    free(jobs);
}

static void items_with_a_key_come_only_with_others_of_that_key_and_similar_length(void **state)
{
    (void)state;
    static const struct {
        uint64_t key;
        size_t length;
    } kinds[] = {{1, 10}, {2, 10}, {1, 20}, {1, 21}, {1, 5}, {1, 10}};
    enum { JOBS = sizeof kinds / sizeof *kinds };
    struct queue *queue = open_queue(10, 1000);
    struct test_job jobs[JOBS];
    struct item *items[16];
    for (int i = 0; i < JOBS; i++) {
        make_job(&jobs[i], 1, 1);
        jobs[i].items[0].key = kinds[i].key;
        jobs[i].items[0].batches_by_size = true;
        jobs[i].items[0].length = kinds[i].length;
        push(queue, &jobs[i]);
    }
    static const int batches[][3] = {{0, 2, 5}, {1}, {3}, {4}};
    static const size_t counts[] = {3, 1, 1, 1};
    for (int batch = 0; batch < 4; batch++) {
        size_t taken = take(queue, 8, items, 16);
        assert_int_equal(taken, counts[batch]);
        for (size_t i = 0; i < taken; i++)
            assert_ptr_equal(items[i]->job, &jobs[batches[batch][i]].job);
        complete(items, taken);
    }
    queue_close(queue);
    queue_free(queue);
}

/* --- Several lines */

static struct queue *open_lines(int lines, size_t jobs, size_t cost)
{
    struct error err;
    const struct queue_limits limits[] = {{jobs, cost}, {jobs, cost}, {jobs, cost}};
    struct queue *queue = queue_open(limits, lines, &err);
    assert_non_null(queue);
    return queue;
}

static void push_to(struct queue *queue, int line, struct test_job *test)
{
    test->job.line = line;
    push(queue, test);
}

static void a_batch_is_of_one_line_and_fits_that_line_s_budget(void **state)
{
    (void)state;
    struct queue *queue = open_lines(2, 10, 10000);
    struct test_job jobs[2];
    struct item *items[64];
    const size_t budgets[] = {50, 200};
    struct taken taken;
    bool seen[2] = {false, false};
    for (int i = 0; i < 2; i++) {
        make_job(&jobs[i], 10, 10);
        push_to(queue, i, &jobs[i]);
    }
    for (int batch = 0; batch < 2; batch++) {
        size_t count = queue_take(queue, budgets, items, 64, &taken);
        assert_int_equal(count, taken.line == 0 ? 5 : 10);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(items[i]->job->line, taken.line);
        assert_int_equal(taken.left_work, taken.line == 0);
        seen[taken.line] = true;
        queue_spend(queue, taken.line, 1000);
    }
    assert_true(seen[0] && seen[1]);
    queue_free(queue);
}

/* The batches of each of the first two lines, which always have work, and of which those of the first take
 * `ratio` times as long. */
static void take_many(struct queue *queue, int batches, uint64_t ratio, int taken_of[2])
{
    enum { JOBS = 400 };
    static struct test_job jobs[2][JOBS];
    const size_t budgets[] = {10, 10, 0};
    struct item *items[4];
    struct taken taken;
    for (int line = 0; line < 2; line++)
        for (int i = 0; i < JOBS; i++) {
            make_job(&jobs[line][i], 1, 10);
            push_to(queue, line, &jobs[line][i]);
        }
    taken_of[0] = taken_of[1] = 0;
    for (int i = 0; i < batches; i++) {
        assert_int_equal(queue_take(queue, budgets, items, 4, &taken), 1);
        taken_of[taken.line]++;
        queue_spend(queue, taken.line, taken.line == 0 ? ratio * 1000 : 1000);
    }
}

static void lines_get_equal_time_whatever_their_batches_take(void **state)
{
    (void)state;
    int taken_of[2];
    struct queue *queue = open_lines(2, 1000, 100000);
    take_many(queue, 330, 10, taken_of);
    assert_in_range(taken_of[0], 29, 31);
    assert_in_range(taken_of[1], 299, 301);
    queue_free(queue);
}

static void a_line_that_was_idle_has_saved_up_no_time(void **state)
{
    (void)state;
    struct queue *queue = open_lines(2, 1000, 100000);
    struct test_job busy;
    struct item *items[4];
    const size_t budgets[] = {10, 10};
    struct taken taken;
    int taken_of[2];
    for (int i = 0; i < 100; i++) { /* the first line alone */
        make_job(&busy, 1, 10);
        push_to(queue, 0, &busy);
        assert_int_equal(queue_take(queue, budgets, items, 4, &taken), 1);
        queue_spend(queue, 0, 1000);
    }
    take_many(queue, 100, 1, taken_of);
    assert_in_range(taken_of[0], 49, 51);
    queue_free(queue);
}

static void the_time_of_other_lanes_is_no_debt(void **state)
{
    (void)state;
    struct queue *queue = open_lines(3, 1000, 100000);
    struct test_job busy[2];
    struct item *items[4];
    const size_t first[] = {10, 10, 0}, other[] = {0, 0, 10};
    struct taken taken;
    int taken_of[2];
    for (int i = 0; i < 100; i++) {
        make_job(&busy[0], 1, 10);
        make_job(&busy[1], 1, 10);
        push_to(queue, 0, &busy[0]);
        push_to(queue, 2, &busy[1]);
        assert_int_equal(queue_take(queue, first, items, 4, &taken), 1);
        queue_spend(queue, 0, 1000);
        assert_int_equal(queue_take(queue, other, items, 4, &taken), 1);
        queue_spend(queue, 2, 20000);
    }
    take_many(queue, 100, 1, taken_of);
    assert_in_range(taken_of[0], 49, 51);
    queue_free(queue);
}

static void a_lane_takes_nothing_of_a_line_without_a_budget(void **state)
{
    (void)state;
    struct queue *queue = open_lines(2, 10, 1000);
    struct test_job jobs[2];
    struct item *items[4];
    const size_t budgets[] = {0, 10};
    struct taken taken;
    for (int i = 0; i < 2; i++) {
        make_job(&jobs[i], 1, 10);
        push_to(queue, i, &jobs[i]);
    }
    assert_int_equal(queue_take(queue, budgets, items, 4, &taken), 1);
    assert_int_equal(taken.line, 1);
    queue_close(queue);
    assert_int_equal(queue_take(queue, budgets, items, 4, &taken), 0);
    assert_int_equal(queue_state(queue, 0).items, 1);
    queue_free(queue);
}

static void a_full_line_leaves_the_others_their_room(void **state)
{
    (void)state;
    struct error err;
    struct queue *queue = open_lines(2, 1, 1000);
    struct test_job first, second, other;
    make_job(&first, 1, 10);
    make_job(&second, 1, 10);
    make_job(&other, 1, 10);
    push_to(queue, 0, &first);
    assert_false(queue_has_room(queue, 0));
    assert_false(queue_push(queue, &second.job, &err));
    assert_int_equal(err.kind, ERR_OVERLOADED);
    assert_true(queue_has_room(queue, 1));
    push_to(queue, 1, &other);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_holds_the_oldest_items_that_fit_the_budget),
        cmocka_unit_test(a_batch_says_whether_the_budget_left_work),
        cmocka_unit_test(a_larger_item_comes_alone),
        cmocka_unit_test(a_long_job_leaves_half_the_batch_to_others),
        cmocka_unit_test(jobs_take_turns),
        cmocka_unit_test(a_job_past_the_number_of_jobs_is_refused_whole),
        cmocka_unit_test(a_job_over_all_limits_is_taken_and_locks_nobody_out),
        cmocka_unit_test(jobs_nobody_waits_for_are_dropped_with_the_reason),
        cmocka_unit_test(a_cancelled_job_makes_room_for_a_new_one),
        cmocka_unit_test(a_partly_taken_job_that_is_cancelled_ends_once),
        cmocka_unit_test(a_closed_queue_hands_out_what_waits_and_takes_nothing_new),
        cmocka_unit_test(every_job_ends_exactly_once_under_load),
        cmocka_unit_test(items_with_a_key_come_only_with_others_of_that_key_and_similar_length),
        cmocka_unit_test(a_batch_is_of_one_line_and_fits_that_line_s_budget),
        cmocka_unit_test(lines_get_equal_time_whatever_their_batches_take),
        cmocka_unit_test(a_line_that_was_idle_has_saved_up_no_time),
        cmocka_unit_test(the_time_of_other_lanes_is_no_debt),
        cmocka_unit_test(a_lane_takes_nothing_of_a_line_without_a_budget),
        cmocka_unit_test(a_full_line_leaves_the_others_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
