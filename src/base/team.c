#include "base/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How many pauses a thread spins before it parks, about 100 us at most: a forward pass makes a call
 * every 10..500 us whose parts take alike, so within one the threads seldom park; between passes they do.
 * Where the awaited thread lacks a core, for there are more threads than cores or a neighbour is busy,
 * spinning only keeps it from one: a spin in vain halves a thread's patience, until it parks almost at once,
 * and one that was not returns a quarter. */
enum { MAX_PATIENCE = 4000, MIN_PATIENCE = 50 };

/* `round` counts team_run() calls; a thread that sees it change takes part, then counts `left` down; the last
 * one counts `finished` up for the caller. `round` and `finished` are futexes: `sleepers` and `caller_sleeps`
 * say whether anyone has to be woken, so a call within the spin costs no system call. */
struct team {
    _Alignas(64) atomic_uint round;
    atomic_uint sleepers;
    _Alignas(64) atomic_uint left;
    _Alignas(64) atomic_uint finished;
    atomic_uint caller_sleeps;
    _Alignas(64) team_work *work; /* NULL: end */
    void *context;
    int threads;
    int caller_patience;
    struct member {
        struct team *team;
        pthread_t thread;
        int part;
    } members[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void futex_wait(atomic_uint *word, unsigned seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Whether `word` changed from what was seen of it before patience ran out. */
static bool spin(atomic_uint *word, unsigned seen, int *patience)
{
    for (int pause = 0; pause < *patience; pause++) {
        if (atomic_load_explicit(word, memory_order_acquire) != seen) {
            *patience += *patience / 4;
            if (*patience > MAX_PATIENCE)
                *patience = MAX_PATIENCE;
            return true;
        }
        relax();
    }
    *patience /= 2;
    if (*patience < MIN_PATIENCE)
        *patience = MIN_PATIENCE;
    return false;
}

static void await_round(struct team *team, unsigned seen, int *patience)
{
    if (spin(&team->round, seen, patience))
        return;
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->round) == seen)
        futex_wait(&team->round, seen);
    atomic_fetch_sub(&team->sleepers, 1);
}

static void *member_main(void *argument)
{
    struct member *member = argument;
    struct team *team = member->team;
    int patience = MAX_PATIENCE;
    for (unsigned round = 0;; round++) {
        await_round(team, round, &patience);
        if (!team->work)
            return NULL;
        team->work(team->context, member->part, team->threads);
        if (atomic_fetch_sub(&team->left, 1) != 1)
            continue;
        atomic_fetch_add(&team->finished, 1);
        if (atomic_load(&team->caller_sleeps))
            futex_wake(&team->finished);
    }
}

/* Lets the members go on with what team->work now says. */
static void begin_round(struct team *team)
{
    atomic_fetch_add(&team->round, 1);
    if (atomic_load(&team->sleepers))
        futex_wake(&team->round);
}

static bool start_member(struct team *team, int part, struct error *err)
{
    struct member *member = &team->members[part];
    *member = (struct member){.team = team, .part = part};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&member->thread, NULL, member_main, member);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return problem == 0 || error_set_errno(err, problem, "starting thread %d of %d", part + 1, team->threads);
}

struct team *team_start(int threads, struct error *err)
{
    size_t bytes = sizeof(struct team) + (size_t)threads * sizeof(struct member);
    struct team *team = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!team) {
        error_set(err, ERR_NO_MEMORY, "no memory for a team of %d threads", threads);
        return NULL;
    }
    atomic_init(&team->round, 0);
    atomic_init(&team->sleepers, 0);
    atomic_init(&team->left, 0);
    atomic_init(&team->finished, 0);
    atomic_init(&team->caller_sleeps, 0);
    team->work = NULL;
    team->context = NULL;
    team->caller_patience = MAX_PATIENCE;
    team->threads = 1;
    for (int part = 1; part < threads; part++) {
        if (!start_member(team, part, err)) {
            team_stop(team);
            return NULL;
        }
        team->threads = part + 1;
    }
    return team;
}

void team_stop(struct team *team)
{
    if (!team)
        return;
    team->work = NULL;
    begin_round(team);
    for (int part = 1; part < team->threads; part++)
        pthread_join(team->members[part].thread, NULL);
    free(team);
}

int team_threads(const struct team *team)
{
    return team->threads;
}

static void await_members(struct team *team, unsigned seen)
{
    if (spin(&team->finished, seen, &team->caller_patience))
        return;
    atomic_store(&team->caller_sleeps, 1);
    while (atomic_load(&team->finished) == seen)
        futex_wait(&team->finished, seen);
    atomic_store(&team->caller_sleeps, 0);
}

void team_run(struct team *team, team_work *work, void *context)
{
    if (team->threads == 1) {
        work(context, 0, 1);
        return;
    }
    unsigned finished = atomic_load(&team->finished);
    team->work = work;
    team->context = context;
    atomic_store(&team->left, (unsigned)team->threads - 1);
    begin_round(team);
    work(context, 0, team->threads);
    await_members(team, finished);
}

void team_split(int count, int part, int parts, int *begin, int *end)
{
    *begin = (int)((long long)count * part / parts);
    *end = (int)((long long)count * (part + 1) / parts);
}
