#include "engine/python_find.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/stats.h"

enum {
    /* An interpreter starts within some 20 ms; a first one from a slow disk may take seconds. */
    ANSWER_MS = 30000,
    MAX_ANSWER = 64 << 10,
    OLDEST_MINOR = 10,
};

static const char question[] =
    "import json, os, sys, sysconfig\n"
    "get = sysconfig.get_config_var\n"
    "library = os.path.join(get('LIBDIR') or '', get('INSTSONAME') or '')\n"
    "shared = '.so' in library and os.path.isfile(library)\n"
    "print(json.dumps([sys.executable, '%d.%d.%d' % sys.version_info[:3], library if shared else '']))\n";

/* Reads what a child writes until it closes its output; false past the time or the size. */
static bool read_output(int fd, struct buf *out)
{
    uint64_t deadline = clock_ns() + ANSWER_MS * 1000000ull;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (out->length < MAX_ANSWER && buf_reserve(out, 4096)) {
        uint64_t now = clock_ns();
        if (now >= deadline || poll(&poll_fd, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
            return false;
        ssize_t got = read(fd, out->bytes + out->length, 4096);
        if (got <= 0)
            return got == 0;
        out->length += (size_t)got;
        out->bytes[out->length] = '\0';
    }
    return false;
}

/* Runs a program of PATH with its output in `out`. Returns its wait status, or -1 with errno where it could
 * not be started. */
static int run_program(const char *const argv[], struct buf *out)
{
    int pipe_fds[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    int problem = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    if (problem) {
        close(pipe_fds[0]);
        errno = problem;
        return -1;
    }
    if (!read_output(pipe_fds[0], out))
        kill(pid, SIGKILL);
    close(pipe_fds[0]);
    pid_t ended;
    while ((ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        continue;
    return ended < 0 ? -1 : status;
}

static const char *copy_string(yyjson_val *value, struct arena *arena)
{
    const char *text = yyjson_get_str(value);
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

static bool read_answer(const struct buf *answer, const char *python, struct arena *arena,
                        struct python_host *out, struct error *err)
{
    yyjson_doc *doc = json_read(answer->bytes ? answer->bytes : "", answer->length, 4, arena, err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    out->executable = copy_string(yyjson_arr_get(root, 0), arena);
    out->version = copy_string(yyjson_arr_get(root, 1), arena);
    out->library = copy_string(yyjson_arr_get(root, 2), arena);
    if (!out->executable || !out->version || !out->library)
        return error_set(err, ERR_WORKER, "%s: does not answer as a Python interpreter", python);
    int major = 0, minor = 0;
    if (sscanf(out->version, "%d.%d", &major, &minor) != 2 || major != 3 || minor < OLDEST_MINOR)
        return error_set(err, ERR_WORKER, "%s: is Python %s, want 3.%d or newer", python, out->version,
                         OLDEST_MINOR);
    return true;
}

static bool ask(const char *python, struct arena *arena, struct python_host *out, struct error *err)
{
    /* -I -S: nothing of the environment or of site-packages has a say in the answer. */
    const char *const argv[] = {python, "-I", "-S", "-c", question, NULL};
    struct buf answer;
    buf_init(&answer);
    int status = run_program(argv, &answer);
    bool sound;
    if (status == -1)
        sound = error_set_errno(err, errno, "Python interpreter %s", python);
    else if (status != 0)
        sound = error_set(err, ERR_WORKER,
                          "%s: is no working Python interpreter, want such as .venv/bin/python3", python);
    else
        sound = read_answer(&answer, python, arena, out, err);
    buf_free(&answer);
    return sound;
}

/* The path of an executable file beside this one, or on PATH; NULL where there is none. */
static const char *find_worker(struct arena *arena)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "linnet-pyworker");
    if (length > 0) {
        path[length] = '\0';
        char *slash = strrchr(path, '/');
        memcpy(slash + 1, "linnet-pyworker", sizeof "linnet-pyworker");
        if (access(path, X_OK) == 0)
            return arena_strndup(arena, path, strlen(path));
    }
    for (const char *at = getenv("PATH"); at && *at; at += *at == ':') {
        size_t part = strcspn(at, ":");
        int used = snprintf(path, sizeof path, "%.*s/linnet-pyworker", (int)part, at);
        if (part > 0 && (size_t)used < sizeof path && access(path, X_OK) == 0)
            return arena_strndup(arena, path, (size_t)used);
        at += part;
    }
    return NULL;
}

static const char *explain(struct arena *arena, const char *format, const char *a, const char *b)
{
    char text[400];
    int used = snprintf(text, sizeof text, format, a, b);
    return arena_strndup(arena, text, (size_t)used < sizeof text ? (size_t)used : sizeof text - 1);
}

/* Fills worker, or why_not. */
static void choose_worker(struct arena *arena, struct python_host *host)
{
    const char *worker = find_worker(arena);
    if (!worker) {
        host->why_not = "there is no linnet-pyworker beside linnet or on PATH";
        return;
    }
    if (!*host->library) {
        host->why_not =
            explain(arena, "Python %s of %s has no shared libpython", host->version, host->executable);
        return;
    }
    const char *const argv[] = {worker, "--python-version", NULL};
    struct buf built;
    buf_init(&built);
    int status = run_program(argv, &built);
    size_t length = status == 0 && built.bytes ? strcspn(built.bytes, "\n") : 0;
    if (length > 0 && strncmp(host->version, built.bytes, length) == 0 && host->version[length] == '.') {
        host->worker = worker;
    } else {
        if (built.bytes)
            built.bytes[length] = '\0';
        host->why_not = explain(arena, "linnet-pyworker was built for Python %s, the interpreter is %s",
                                length ? built.bytes : "of unknown version", host->version);
    }
    buf_free(&built);
}

bool python_find(const char *python, struct arena *arena, struct python_host *out, struct error *err)
{
    char path[4096];
    const char *venv = getenv("VIRTUAL_ENV");
    *out = (struct python_host){0};
    if (!python && venv && *venv) {
        snprintf(path, sizeof path, "%s/bin/python3", venv);
        python = path;
    }
    if (!ask(python ? python : "python3", arena, out, err))
        return error_prefix(err, "%s", python ? "--python" : "no Python found");
    choose_worker(arena, out);
    return true;
}
