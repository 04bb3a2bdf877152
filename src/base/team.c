#include "base/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long to spin before parking. A forward pass makes a call every 10..500 us, so within one the threads
 * seldom park; between passes they do. */
enum { SPINS = 4000 };

/* `round` counts team_run() calls; a thread that sees it change takes part, then counts `left` down. Both are
 * futexes: `sleepers` says whether anyone has to be woken, so a call within the spin costs no system call. */
struct team {
    _Alignas(64) atomic_uint round;
    atomic_uint sleepers;
    _Alignas(64) atomic_uint left;
    atomic_uint caller_sleeps;
    _Alignas(64) team_work *work; /* NULL: end */
    void *context;
    int threads;
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

static void await_round(struct team *team, unsigned seen)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->round, memory_order_acquire) != seen)
            return;
        relax();
    }
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->round) == seen)
        futex_wait(&team->round, seen);
    atomic_fetch_sub(&team->sleepers, 1);
}

static void *member_main(void *argument)
{
    struct member *member = argument;
    struct team *team = member->team;
    for (unsigned round = 0;; round++) {
        await_round(team, round);
        if (!team->work)
            return NULL;
        team->work(team->context, member->part, team->threads);
        if (atomic_fetch_sub(&team->left, 1) == 1 && atomic_load(&team->caller_sleeps))
            futex_wake(&team->left);
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
    atomic_init(&team->caller_sleeps, 0);
    team->work = NULL;
    team->context = NULL;
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

static void await_members(struct team *team)
{
    unsigned left;
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->left, memory_order_acquire) == 0)
            return;
        relax();
    }
    atomic_store(&team->caller_sleeps, 1);
    while ((left = atomic_load(&team->left)) != 0)
        futex_wait(&team->left, left);
    atomic_store(&team->caller_sleeps, 0);
}

void team_run(struct team *team, team_work *work, void *context)
{
    if (team->threads == 1) {
        work(context, 0, 1);
        return;
    }
    team->work = work;
    team->context = context;
    atomic_store(&team->left, (unsigned)team->threads - 1);
    begin_round(team);
    work(context, 0, team->threads);
    await_members(team);
}

void team_split(int count, int part, int parts, int *begin, int *end)
{
    *begin = (int)((long long)count * part / parts);
    *end = (int)((long long)count * (part + 1) / parts);
}
