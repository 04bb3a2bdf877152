/* A team: W threads that run one function over W parts at a time.
 *
 * The caller of team_run() is part 0; W - 1 threads of the team are the others. They spin briefly for the
 * next call, then park on a futex, so an idle team uses no CPU. Nothing is allocated after team_start(). The
 * split of work never changes results: a part chooses who computes an output, never how. Threads: one
 * team_run() at a time, from any one thread.
 */
#ifndef LINNET_BASE_TEAM_H
#define LINNET_BASE_TEAM_H

#include <stdbool.h>

#include "base/error.h"

struct team;

/* Computes part `part` of `parts` of the work that `context` describes. */
typedef void team_work(void *context, int part, int parts);

/* Starts threads - 1 threads (threads >= 1). All signals are blocked in them. NULL: ERR_NO_MEMORY or
 * ERR_IO. */
struct team *team_start(int threads, struct error *err);

/* Ends and joins the threads. NULL is fine. */
void team_stop(struct team *team);

int team_threads(const struct team *team);

/* Runs work(context, p, W) for p = 0..W-1 and returns when all are done; what they wrote is visible to the
 * caller. */
void team_run(struct team *team, team_work *work, void *context);

/* The half-open range [*begin, *end) of `count` things that belongs to a part: as even as can be, in
 * order. */
void team_split(int count, int part, int parts, int *begin, int *end);

#endif
