/* A progress line on stderr, where that is a terminal: texts, rate, share done and time left. */
#ifndef LINNET_CLI_PROGRESS_H
#define LINNET_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown; /* stderr is a terminal */
    uint64_t begin_ns, drawn_ns;
};

void progress_begin(struct progress *progress);

/* Redraws at most ten times a second. `total` bytes of 0 are unknown: then without share and time left. */
void progress_update(struct progress *progress, uint64_t texts, uint64_t bytes, uint64_t total);

/* Clears the line, before other text on stderr and at the end. */
void progress_clear(struct progress *progress);

#endif
