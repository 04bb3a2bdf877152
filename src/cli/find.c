#include "cli/find.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stats.h"
#include "cli/version.h"

enum { BAR_WIDTH = 24 };

static const uint64_t redraw_ns = 100000000, log_ns = 10000000000;

/* Progress on stderr: a line that is redrawn on a terminal, lines of the log elsewhere. */
struct view {
    struct hub_progress progress; /* first: report() gets back from it to the view */
    const char *name;
    bool terminal, begun, waiting;
    uint64_t begin_ns, shown_ns;
    uint64_t begin_done; /* bytes that were there before */
    uint64_t done, total;
};

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void draw(const struct view *view, const char *file, double seconds)
{
    double share = view->total ? (double)view->done / (double)view->total : 1;
    double rate = seconds > 0 ? (double)(view->done - view->begin_done) / seconds : 0;
    int filled = (int)(share * BAR_WIDTH);
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K%.40s  [%s] %3.0f %%  %.1f of %.1f MiB  %.1f MiB/s", file, bar, share * 100,
            mib(view->done), mib(view->total), rate / (1 << 20));
    if (rate > 0) {
        unsigned long left = (unsigned long)((double)(view->total - view->done) / rate + 0.5);
        fprintf(stderr, "  ETA %lu:%02lu", left / 60, left % 60);
    }
    fflush(stderr);
}

static void show(struct view *view, const char *file, bool waiting, uint64_t now)
{
    bool first = view->shown_ns == 0 || waiting != view->waiting;
    if (!first && now - view->shown_ns < (view->terminal ? redraw_ns : log_ns))
        return;
    bool begins = view->shown_ns == 0;
    view->shown_ns = now;
    view->waiting = waiting;
    if (waiting && view->terminal)
        fprintf(stderr, "\r\033[K%.40s  waiting for another process that downloads it", file);
    else if (waiting)
        log_info("%s: waiting for another process that downloads %s", view->name, file);
    else if (view->terminal)
        draw(view, file, (double)(now - view->begin_ns) * 1e-9);
    else if (begins)
        log_info("%s: downloading %.1f MiB", view->name, mib(view->total - view->done));
    else
        log_info("%s: downloading %s, %.1f of %.1f MiB", view->name, file, mib(view->done), mib(view->total));
}

static void report(struct hub_progress *progress, const char *file, bool waiting, uint64_t done,
                   uint64_t total)
{
    struct view *view = (struct view *)progress;
    uint64_t now = clock_ns();
    if (!view->begun) {
        view->begun = true;
        view->begin_ns = now;
        view->begin_done = done;
    }
    if (done < view->begin_done) /* begun anew */
        view->begin_done = done;
    view->done = done;
    view->total = total;
    show(view, file, waiting, now);
}

static void note(struct hub_progress *progress, const char *line)
{
    struct view *view = (struct view *)progress;
    if (view->terminal && view->shown_ns)
        fputs("\r\033[K", stderr);
    log_warn("%s", line);
}

static void end_view(const struct view *view, bool ok)
{
    if (view->terminal && view->shown_ns)
        fputs("\r\033[K", stderr);
    if (ok && view->begun)
        log_info("%s: %.1f MiB came in %.1f s", view->name, mib(view->done - view->begin_done),
                 (double)(clock_ns() - view->begin_ns) * 1e-9);
}

/* A connection or a limit on file sizes that ends a write must be an error, not the end of the process. */
static bool find_ignoring_signals(const struct hub_settings *settings, const struct hub_name *name,
                                  struct hub_progress *progress, char directory[HUB_PATH_SIZE],
                                  struct error *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction pipe_before, size_before;
    sigaction(SIGPIPE, &ignore, &pipe_before);
    sigaction(SIGXFSZ, &ignore, &size_before);
    bool ok = hub_find(settings, name, progress, directory, err);
    sigaction(SIGXFSZ, &size_before, NULL);
    sigaction(SIGPIPE, &pipe_before, NULL);
    return ok;
}

bool model_pull(const char *name, const char *revision, char directory[HUB_PATH_SIZE], struct error *err)
{
    struct hub_settings settings;
    struct hub_name parsed;
    if (!hub_name_parse(name, revision, &parsed, err) ||
        !hub_settings_read("linnet/" LINNET_VERSION, &settings, err))
        return false;
    struct view view = {.progress = {report, note}, .name = parsed.repo, .terminal = isatty(STDERR_FILENO)};
    bool ok = find_ignoring_signals(&settings, &parsed, &view.progress, directory, err);
    end_view(&view, ok);
    return ok;
}

bool model_is_name(const char *model)
{
    struct stat info;
    return stat(model, &info) != 0 && (errno == ENOENT || errno == ENOTDIR) && hub_is_name(model);
}

bool model_find(const char *model, const char *revision, char directory[HUB_PATH_SIZE], struct error *err)
{
    if (model_is_name(model))
        return model_pull(model, revision, directory, err);
    if (revision)
        return error_set(err, ERR_USAGE, "--revision is for a name at the Hub, and %.300s is none", model);
    if (strlen(model) >= HUB_PATH_SIZE)
        return error_set(err, ERR_USAGE, "%.200s...: the path has more than %d bytes", model,
                         HUB_PATH_SIZE - 1);
    memcpy(directory, model, strlen(model) + 1);
    return true;
}
