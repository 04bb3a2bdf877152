/* The Python engine: worker processes that run a transformers pipeline, or a user's script.
 *
 * An item is an input's JSON and its parameters; its result the JSON that the pipeline returns. A lane is one
 * worker: lane_open() hands out each of the `workers` once. A worker that dies or hangs takes no item with it
 * that is not at fault: the items of its batch are run again, one by one, on a fresh worker, and one that
 * ends that worker too gets ERR_WORKER. docs/ffi.md describes protocol and faults.
 */
#ifndef LINNET_ENGINE_PYTHON_H
#define LINNET_ENGINE_PYTHON_H

#include "base/file.h"
#include "engine/engine.h"

struct python_options {
    const char *model;         /* a directory or a name at Hugging Face; NULL with a worker_script */
    const char *revision;      /* of such a name; NULL: its main branch */
    const char *python;        /* the interpreter; NULL: of $VIRTUAL_ENV, else python3 on PATH */
    const char *task;          /* of transformers; NULL: what the model was made for */
    const char *device;        /* torch's name: "cpu", "cuda:0", "mps" */
    const char *dtype;         /* torch's name; NULL: transformers' own choice */
    const char *worker_script; /* a file with load() and predict(batch); NULL: a pipeline */
    bool trust_remote_code;
    int workers;
    int worker_threads;         /* of torch in each worker; 0: torch's own choice */
    unsigned worker_timeout_ms; /* a batch that takes longer ends its worker */
    size_t max_memory_mib;      /* a worker that has grown past it is replaced between batches; 0: never */
    struct blob script;         /* python/linnet_worker.py */
};

/* CPU, one worker, 30 s; everything else unset. */
void python_options_default(struct python_options *options);

/* Finds the interpreter, starts the workers and waits until all have loaded the model. The options' strings
 * must outlive the engine. NULL: ERR_WORKER, ERR_NOT_FOUND (each saying what to do), ERR_NO_MEMORY,
 * ERR_IO. */
struct engine *python_open(const struct python_options *options, struct error *err);

#endif
