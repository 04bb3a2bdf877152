#include "engine/python_process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/json.h"
#include "base/log.h"

enum {
    /* A model may have to be fetched first. */
    START_MS = 600000,
    FIRST_PAUSE_MS = 500,
    MAX_PAUSE_MS = 30000,
    CLOSE_MS = 1000,
    LOOK_NS = 50000000, /* at what no condition variable tells */
    /* Reading /proc takes longer than the rest of a batch's overhead. */
    BATCHES_PER_RSS = 16,
    SOCKET_FD = 3,
    SCRIPT_FD = 4,
};

/* PAUSING before a start: after deaths without an answer in between. FAILING: after a start that failed. */
enum state { STARTING, READY, PAUSING, FAILING, ENDED };

struct python_process {
    struct python_pool *pool;
    int number;
    pthread_t supervisor;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum state state;
    pid_t pid; /* 0: there is none */
    int fd;    /* -1: there is none */
    bool closing;
    bool acquired;            /* a lane uses fd */
    bool answered;            /* this process has answered a batch */
    unsigned failures;        /* in a row: starts that failed, or that were followed by no answer */
    uint64_t resume_ns;       /* while PAUSING */
    unsigned batches;         /* since its size was last looked at */
    unsigned deaths;          /* processes reaped so far */
    unsigned acquired_deaths; /* ... when the lane acquired this one */
    struct error failure;     /* of the newest failed start */
    struct buf ready;         /* the first READY */
    bool started, decided;    /* the first start: succeeded; has ended */
    char how[120];            /* the newest process ended */
};

/* --- Starting a process */

/* Between fork and exec: system calls only. */
static _Noreturn void become_worker(const struct python_pool *pool, int fd, pid_t parent,
                                    const char *const argv[])
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it died before prctl() */
    int null_fd = open("/dev/null", O_RDONLY);
    /* Standard output is the log: nothing printed may meet the frames. The two descriptors may lie on each
     * other's targets. */
    int socket_fd = fcntl(fd, F_DUPFD, SCRIPT_FD + 1),
        script_fd = fcntl(pool->script_fd, F_DUPFD, SCRIPT_FD + 1);
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
        dup2(socket_fd, SOCKET_FD) < 0 || dup2(script_fd, SCRIPT_FD) < 0)
        _exit(127);
    syscall(SYS_close_range, SCRIPT_FD + 1, ~0u, 0);
    execv(argv[0], (char **)(uintptr_t)argv);
    _exit(127);
}

static bool spawn(const struct python_pool *pool, int *fd, pid_t *pid, struct error *err)
{
    int pair[2];
    const struct python_host *host = &pool->host;
    const char *const embedded[] = {host->worker,      host->library, host->executable,
                                    "/proc/self/fd/4", "3",           NULL};
    const char *const interpreter[] = {host->executable, "-I", "-X", "utf8", "/proc/self/fd/4", "3", NULL};
    _Static_assert(SOCKET_FD == 3 && SCRIPT_FD == 4, "the arguments say so");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return error_set_errno(err, errno, "making a socket for a Python worker");
    pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0)
        become_worker(pool, pair[1], parent, host->worker ? embedded : interpreter);
    close(pair[1]);
    *fd = pair[0];
    if (*pid > 0) {
        setpgid(*pid, *pid); /* on both sides, so that the group is there whoever comes first */
        return true;
    }
    close(pair[0]);
    return error_set_errno(err, errno, "starting a Python worker");
}

static void describe_end(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static bool fail_start(const struct buf *payload, struct error *err)
{
    struct arena arena;
    struct error ignored;
    arena_init(&arena, 0, SIZE_MAX);
    yyjson_doc *doc = json_read(payload->bytes, payload->length, 4, &arena, &ignored);
    const char *message = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message"));
    error_set(err, ERR_WORKER, "%s", message ? message : "the Python worker failed without a reason");
    arena_free(&arena);
    return false;
}

/* HELLO, LOAD, READY. */
static bool shake_hands(struct python_process *process, int fd, struct buf *payload, struct error *err)
{
    uint64_t deadline = clock_ns() + START_MS * 1000000ull;
    const char *load = process->pool->load;
    enum frame_type type;
    if (!frame_read(fd, &type, payload, deadline, err))
        return false;
    if (type == FRAME_FAILED)
        return fail_start(payload, err);
    if (type != FRAME_HELLO)
        return error_set(err, ERR_WORKER, "the worker began with a frame of type %d, want HELLO (%d)",
                         (int)type, FRAME_HELLO);
    if (!frame_write(fd, FRAME_LOAD, load, strlen(load), deadline, err) ||
        !frame_read(fd, &type, payload, deadline, err))
        return false;
    if (type == FRAME_FAILED)
        return fail_start(payload, err);
    return type == FRAME_READY ||
           error_set(err, ERR_WORKER, "the worker answered LOAD with a frame of type %d", (int)type);
}

/* Waits for a change until clock_ns() passes `until_ns`. With the lock. */
static void wait_change(struct python_process *process, uint64_t until_ns)
{
    const struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    pthread_cond_timedwait(&process->changed, &process->lock, &until);
}

/* --- The supervisor. Called with the lock unless said. */

static void kill_worker(struct python_process *process)
{
    if (process->pid > 0)
        kill(-process->pid, SIGKILL); /* and what it started: it leads a process group */
}

static void set_state(struct python_process *process, enum state state)
{
    struct worker_stats *stats = &process->pool->stats;
    if (process->state == READY)
        atomic_fetch_sub(&stats->ready, 1);
    if (process->state == FAILING)
        atomic_fetch_sub(&stats->failing, 1);
    process->state = state;
    if (state == READY)
        atomic_fetch_add(&stats->ready, 1);
    if (state == FAILING)
        atomic_fetch_add(&stats->failing, 1);
    pthread_cond_broadcast(&process->changed);
}

/* Without the lock: waits for the death of the process, then buries it. */
static void reap(struct python_process *process)
{
    siginfo_t info;
    int status = 0;
    while (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
    pthread_mutex_lock(&process->lock);
    kill(-process->pid,
         SIGKILL); /* children of the worker; the leader keeps the group's number until reaped */
    waitpid(process->pid, &status, 0);
    process->pid = 0;
    process->deaths++;
    describe_end(status, process->how, sizeof process->how);
    shutdown(process->fd,
             SHUT_RDWR); /* wakes the lane, even where a child of the worker keeps its end open */
    set_state(process, STARTING);
    while (process->acquired)
        pthread_cond_wait(&process->changed, &process->lock);
    close(process->fd);
    process->fd = -1;
    pthread_mutex_unlock(&process->lock);
}

/* Without the lock. */
static bool start(struct python_process *process, struct error *err)
{
    struct buf payload;
    uint64_t begin = clock_ns();
    int fd = -1;
    pid_t pid = 0;
    if (!spawn(process->pool, &fd, &pid, err))
        return false;
    pthread_mutex_lock(&process->lock);
    process->fd = fd;
    process->pid = pid;
    process->answered = false;
    if (process->closing)
        kill_worker(process);
    pthread_mutex_unlock(&process->lock);

    buf_init(&payload);
    bool ready = shake_hands(process, fd, &payload, err);
    pthread_mutex_lock(&process->lock);
    if (ready) {
        if (process->ready.length == 0) {
            buf_append(&process->ready, payload.bytes, payload.length);
            log_info("python worker %d (process %d) is ready after %.0f ms", process->number, (int)pid,
                     (double)(clock_ns() - begin) * 1e-6);
        } else {
            log_warn("python worker %d is back as process %d after %.0f ms", process->number, (int)pid,
                     (double)(clock_ns() - begin) * 1e-6);
        }
        process->started = process->decided = true;
        set_state(process, READY);
    } else {
        kill_worker(process);
    }
    pthread_mutex_unlock(&process->lock);
    buf_free(&payload);
    if (ready)
        return true;
    reap(process);
    if (err->kind == ERR_IO)
        error_set(err, ERR_WORKER, "the Python worker %s while it started; its last words are in the log",
                  process->how);
    return false;
}

/* Waits out the pause that repeated failures call for. */
static void pause_before_start(struct python_process *process, enum state state)
{
    unsigned doublings = process->failures - 1 > 6 ? 6 : process->failures - 1;
    unsigned ms = (unsigned)FIRST_PAUSE_MS << doublings;
    process->resume_ns = clock_ns() + (uint64_t)(ms > MAX_PAUSE_MS ? MAX_PAUSE_MS : ms) * 1000000;
    set_state(process, state);
    while (!process->closing && clock_ns() < process->resume_ns)
        wait_change(process, process->resume_ns);
    set_state(process, STARTING);
}

static void *supervise(void *argument)
{
    struct python_process *process = argument;
    struct error err;
    pthread_mutex_lock(&process->lock);
    while (!process->closing) {
        pthread_mutex_unlock(&process->lock);
        bool ready = start(process, &err);
        if (ready)
            reap(process);
        pthread_mutex_lock(&process->lock);
        if (process->closing)
            break;
        atomic_fetch_add(&process->pool->stats.restarts, 1);
        process->failures = ready && process->answered ? 0 : process->failures + 1;
        if (ready)
            log_error("python worker %d %s; starting it anew", process->number, process->how);
        if (!ready) {
            process->failure = err;
            process->decided = true;
            pthread_cond_broadcast(&process->changed);
            log_error("python worker %d does not start: %s", process->number, err.message);
        }
        if (process->failures > 0)
            pause_before_start(process, ready ? PAUSING : FAILING);
    }
    process->decided = true;
    set_state(process, ENDED);
    pthread_mutex_unlock(&process->lock);
    return NULL;
}

/* --- For the engine */

struct python_process *python_process_open(struct python_pool *pool, int number, struct error *err)
{
    struct python_process *process = calloc(1, sizeof *process);
    if (!process) {
        error_set(err, ERR_NO_MEMORY, "no memory for a Python worker");
        return NULL;
    }
    process->pool = pool;
    process->number = number;
    process->fd = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* clock_ns()'s */
    pthread_cond_init(&process->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&process->lock, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&process->supervisor, NULL, supervise, process);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem == 0)
        return process;
    pthread_cond_destroy(&process->changed);
    pthread_mutex_destroy(&process->lock);
    free(process);
    error_set_errno(err, problem, "starting a supervisor of a Python worker");
    return NULL;
}

bool python_process_started(struct python_process *process, struct buf *ready, struct error *err)
{
    pthread_mutex_lock(&process->lock);
    while (!process->decided)
        pthread_cond_wait(&process->changed, &process->lock);
    bool started = process->started;
    if (started && ready)
        buf_append(ready, process->ready.bytes, process->ready.length);
    if (!started)
        *err = process->failure;
    pthread_mutex_unlock(&process->lock);
    return started;
}

void python_process_interrupt(struct python_process *process)
{
    pthread_mutex_lock(&process->lock);
    process->closing = true;
    kill_worker(process);
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
}

void python_process_close(struct python_process *process)
{
    if (!process)
        return;
    uint64_t until_ns = clock_ns() + CLOSE_MS * 1000000ull;
    pthread_mutex_lock(&process->lock);
    process->closing = true;
    pthread_cond_broadcast(&process->changed);
    if (process->state == READY)
        shutdown(process->fd, SHUT_RDWR);
    else
        kill_worker(process);
    while (process->state == READY && clock_ns() < until_ns)
        wait_change(process, until_ns);
    kill_worker(process);
    pthread_mutex_unlock(&process->lock);
    pthread_join(process->supervisor, NULL);
    pthread_cond_destroy(&process->changed);
    pthread_mutex_destroy(&process->lock);
    buf_free(&process->ready);
    free(process);
}

/* --- For the lane */

/* While a start is near; while it fails to start too, where another worker can do the work meanwhile. */
static bool must_wait(const struct python_process *process, bool patient)
{
    return process->state == STARTING || process->state == PAUSING ||
           (process->state == FAILING && (patient || atomic_load(&process->pool->stats.ready) > 0));
}

void python_process_wait(struct python_process *process)
{
    pthread_mutex_lock(&process->lock);
    while (!process->closing && must_wait(process, false))
        wait_change(process, clock_ns() + LOOK_NS);
    pthread_mutex_unlock(&process->lock);
}

int python_process_acquire(struct python_process *process, bool patient, struct error *err)
{
    int fd = -1;
    pthread_mutex_lock(&process->lock);
    while (!process->closing && must_wait(process, patient))
        wait_change(process, clock_ns() + LOOK_NS);
    if (process->closing) {
        error_set(err, ERR_SHUTTING_DOWN, "the server is shutting down");
    } else if (process->state == READY) {
        process->acquired = true;
        process->acquired_deaths = process->deaths;
        fd = process->fd;
    } else {
        uint64_t now = clock_ns();
        error_set(err, ERR_LOADING, "the Python worker is down and will be started again: %.300s",
                  process->failure.message);
        err->retry_ms = now < process->resume_ns ? (unsigned)((process->resume_ns - now) / 1000000) + 1 : 1;
    }
    pthread_mutex_unlock(&process->lock);
    return fd;
}

static size_t resident_bytes(pid_t pid)
{
    char path[40];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*s %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

void python_process_release(struct python_process *process)
{
    size_t limit = process->pool->max_rss_bytes, size = 0;
    pthread_mutex_lock(&process->lock);
    process->acquired = false;
    process->answered = true;
    process->failures = 0;
    process->batches++;
    if (limit && process->batches >= BATCHES_PER_RSS && process->state == READY) {
        process->batches = 0;
        size = resident_bytes(process->pid);
    }
    if (size > limit) {
        log_warn("python worker %d has grown to %zu MiB, over --worker-max-memory %zu: replacing it",
                 process->number, size >> 20, limit >> 20);
        set_state(process, STARTING);
        kill_worker(process);
    }
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
}

void python_process_lose(struct python_process *process, bool hung, char *how, size_t size)
{
    pthread_mutex_lock(&process->lock);
    process->acquired = false;
    kill_worker(
        process); /* no effect on one that is ending: its status is decided before its socket closes */
    pthread_cond_broadcast(&process->changed);
    while (process->deaths == process->acquired_deaths)
        pthread_cond_wait(&process->changed, &process->lock);
    snprintf(how, size, "%s", hung ? "gave no answer in time and was ended" : process->how);
    pthread_mutex_unlock(&process->lock);
}
