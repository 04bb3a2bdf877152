/* One Python worker process, kept alive: started, watched, and started anew when it dies.
 *
 * A supervisor thread of its own starts the process (whose parent-death signal is bound to that thread),
 * loads the model in it, and waits for its death. After a death it starts the next at once; where the one
 * before answered nothing, or could not start, it waits first, from half a second doubling to 30 s. A lane
 * uses the process through acquire and release; it is the only one to read and write the socket in between.
 *
 * Threads: open and close once; interrupt and the getters from any thread; acquire, release, lose from the
 * one lane that the process belongs to.
 */
#ifndef LINNET_ENGINE_PYTHON_PROCESS_H
#define LINNET_ENGINE_PYTHON_PROCESS_H

#include "base/buf.h"
#include "base/error.h"
#include "engine/engine.h"
#include "engine/python_find.h"

struct python_process;

/* What all workers of an engine have in common; it outlives them. */
struct python_pool {
    struct python_host host;
    int script_fd;    /* a file that holds the worker script */
    const char *load; /* the payload of FRAME_LOAD */
    struct worker_stats stats;
    size_t max_rss_bytes; /* 0: no limit */
};

/* Starts the supervisor; the process comes later. NULL: ERR_NO_MEMORY, ERR_IO. */
struct python_process *python_process_open(struct python_pool *pool, int number, struct error *err);

/* Waits until the first start has ended. True: it is ready, and `ready` (or NULL) gets the payload of its
 * FRAME_READY. False: ERR_WORKER says why it cannot start. */
bool python_process_started(struct python_process *process, struct buf *ready, struct error *err);

/* From now on the process is ending and acquire fails with ERR_SHUTTING_DOWN. A running batch is lost. */
void python_process_interrupt(struct python_process *process);

/* Lets an idle worker end by itself for a second, else kills it; ends the supervisor. NULL is fine. */
void python_process_close(struct python_process *process);

/* Waits until the worker is ready, but not for one that fails to start unless another worker is ready. */
void python_process_wait(struct python_process *process);

/* The socket of a ready worker, after waiting while it starts; with `patient` also while it fails to.
 * -1: ERR_LOADING (it fails to start; with retry_ms), ERR_SHUTTING_DOWN. */
int python_process_acquire(struct python_process *process, bool patient, struct error *err);

/* After a batch that was answered. Replaces a worker that has grown past max_rss_bytes. */
void python_process_release(struct python_process *process);

/* After a batch that failed: ends the worker if it still runs, waits for its end and puts how it ended into
 * `how`, such as "was killed by signal 11 (Segmentation fault)"; `hung` says that it was alive and silent. */
void python_process_lose(struct python_process *process, bool hung, char *how, size_t size);

#endif
