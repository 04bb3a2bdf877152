/* After warm-up the way of a text below api/, from the queue through the forward pass to its result,
 * allocates nothing. Linked with --wrap, so that every allocation of our own code comes by here. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/native.h"
#include "model/files.h"
#include "sched/sched.h"
#include "unit.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *piece, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *piece, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static atomic_ullong allocations;

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *piece, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_realloc(piece, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_aligned_alloc(align, size);
}

enum { TEXTS = 10, THREADS = 2 };

struct fixture {
    struct model_files files;
    struct engine *engine;
    struct arena arena;
    struct item items[TEXTS]; /* longer and longer */
};

static int open_fixture(void **state, const char *directory, const char *pooling)
{
    static struct fixture fixture;
    *state = &fixture;
    struct error err;
    const struct native_options options = {.precision = "auto", .load_threads = THREADS, .pooling = pooling};
    if (!model_files_open(directory, &fixture.files, &err))
        return -1;
    fixture.engine = native_open(&fixture.files, &options, &err);
    if (!fixture.engine)
        return -1;
    arena_init(&fixture.arena, 0, SIZE_MAX);
    char text[TEXTS * sizeof "word" + 1] = "";
    for (int i = 0; i < TEXTS; i++) {
        strcat(text, "word ");
        const struct input input = {.text = text, .text_length = strlen(text)};
        const struct prepare_options prepare = {0};
        if (!engine_prepare(fixture.engine, &input, &prepare, &fixture.arena, &fixture.items[i], &err))
            return -1;
    }
    return 0;
}

static int open_model(void **state)
{
    return open_fixture(state, TEST_MODEL, NULL);
}

static int open_sparse(void **state)
{
    return open_fixture(state, TEST_MASKED_LM, "splade");
}

static int close_model(void **state)
{
    struct fixture *fixture = *state;
    engine_close(fixture->engine);
    arena_free(&fixture->arena);
    model_files_close(&fixture->files);
    return 0;
}

static void a_forward_pass_allocates_nothing_once_its_lane_saw_the_largest_batch_twice(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct item *items[TEXTS];
    for (int i = 0; i < TEXTS; i++)
        items[i] = &fixture->items[i];
    unsigned long long before = atomic_load(&allocations);
    struct lane *lane = lane_open(fixture->engine, THREADS, &err);
    assert_non_null(lane);
    lane_run(lane, items, TEXTS);
    lane_run(lane, items, TEXTS);
    assert_true(atomic_load(&allocations) > before);
    before = atomic_load(&allocations);
    lane_run(lane, items, TEXTS);
    for (size_t count = 1; count <= TEXTS; count++)
        for (size_t first = 0; first + count <= TEXTS; first += count)
            lane_run(lane, items + first, count);
    assert_int_equal(atomic_load(&allocations) - before, 0);
    for (int i = 0; i < TEXTS; i++)
        assert_int_equal(items[i]->error, ERR_NONE);
    lane_close(lane);
}

struct waited_job {
    struct job job;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
};

static void on_done(struct job *job)
{
    struct waited_job *waited = (struct waited_job *)job;
    pthread_mutex_lock(&waited->lock);
    waited->done = true;
    pthread_cond_signal(&waited->ended);
    pthread_mutex_unlock(&waited->lock);
}

static void run_job(struct sched *sched, struct item *items, size_t count)
{
    struct error err;
    struct waited_job waited = {.job = {.items = items, .count = count, .done = on_done},
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .ended = PTHREAD_COND_INITIALIZER};
    for (size_t i = 0; i < count; i++)
        items[i].job = &waited.job;
    assert_true(sched_submit(sched, &waited.job, &err));
    pthread_mutex_lock(&waited.lock);
    while (!waited.done)
        pthread_cond_wait(&waited.ended, &waited.lock);
    pthread_mutex_unlock(&waited.lock);
}

static void a_job_allocates_nothing_from_its_submission_to_its_end(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct sched_options options;
    sched_options_default(&options, THREADS);
    options.batch_tokens = 64; /* a budget that is tried for the first time makes the lane's arena grow */
    struct lanes *lanes = lanes_start(&fixture->engine, 1, &options, &err);
    assert_non_null(lanes);
    struct sched *sched = lanes_sched(lanes, 0);
    for (int i = 0; i < 3; i++)
        run_job(sched, fixture->items, TEXTS); /* several batches: more tokens than the budget */
    unsigned long long before = atomic_load(&allocations);
    for (int i = 0; i + 2 <= TEXTS; i++) {
        run_job(sched, fixture->items, TEXTS);
        run_job(sched, fixture->items + i, 2);
    }
    assert_int_equal(atomic_load(&allocations) - before, 0);
    lanes_stop(lanes);
}

#define OF_SPARSE(test)                                                     \
    {                                                                       \
#test "_of_sparse_embeddings", test, open_sparse, close_model, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_forward_pass_allocates_nothing_once_its_lane_saw_the_largest_batch_twice, open_model,
            close_model),
        cmocka_unit_test_setup_teardown(a_job_allocates_nothing_from_its_submission_to_its_end, open_model,
                                        close_model),
        OF_SPARSE(a_forward_pass_allocates_nothing_once_its_lane_saw_the_largest_batch_twice),
        OF_SPARSE(a_job_allocates_nothing_from_its_submission_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
