#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/stats.h"

enum { REDRAW_NS = 100000000, BAR_WIDTH = 24 };

void progress_begin(struct progress *progress)
{
    *progress = (struct progress){.shown = isatty(STDERR_FILENO), .begin_ns = clock_ns()};
}

static void draw_share(double share, double seconds)
{
    int filled = (int)(share * BAR_WIDTH), left = share > 0 ? (int)(seconds / share - seconds + 0.5) : 0;
    fputs("  [", stderr);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f %%  ETA %d:%02d", share * 100, left / 60, left % 60);
}

void progress_update(struct progress *progress, uint64_t texts, uint64_t bytes, uint64_t total)
{
    uint64_t now = clock_ns();
    if (!progress->shown || now - progress->drawn_ns < REDRAW_NS)
        return;
    progress->drawn_ns = now;
    double seconds = (double)(now - progress->begin_ns) * 1e-9;
    fprintf(stderr, "\r\033[K%llu texts  %.0f/s", (unsigned long long)texts, (double)texts / seconds);
    if (total)
        draw_share((double)bytes / (double)total, seconds);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown && progress->drawn_ns)
        fputs("\r\033[K", stderr);
}
