/* Which engine serves a model: the native one, Python's, or whichever can. */
#ifndef LINNET_CLI_ENGINES_H
#define LINNET_CLI_ENGINES_H

#include "cli/find.h"
#include "cli/options.h"
#include "cli/setup.h"
#include "engine/python.h"

struct engine_choice {
    const char *engine; /* "native", "python", "auto" */
    const char *device; /* NULL: not said */
    int worker_timeout_ms;
    size_t batch_size; /* texts in one call of a worker */
    struct python_options python;
    struct hub_name name; /* of the model that Python serves, where it is one of the Hub */
};

/* auto; batches of 8; python_options_default(). */
void engine_choice_default(struct engine_choice *choice);

/* Rows for a command's option table. */
#define ENGINE_ROWS(choice)                                                                                    \
    {OPTION_GROUP, NULL, NULL, "Engine (docs/ffi.md)", NULL, 0, 0},                                            \
        {OPTION_STRING,    "engine", "NAME", "native, python or auto: native where it can (default auto)",     \
         &(choice).engine, 0,        0},                                                                       \
        {OPTION_STRING,                                                                                        \
         "python",                                                                                             \
         "PATH",                                                                                               \
         "interpreter, as .venv/bin/python3 (default: of VIRTUAL_ENV, else python3)",                          \
         &(choice).python.python,                                                                              \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_STRING,                                                                                        \
         "task",                                                                                               \
         "NAME",                                                                                               \
         "transformers pipeline (default: what the model was made for)",                                       \
         &(choice).python.task,                                                                                \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_STRING, "device", "NAME", "of torch: cpu, cuda:0, mps (default cpu)", &(choice).device, 0, 0}, \
        {OPTION_STRING,                                                                                        \
         "dtype",                                                                                              \
         "NAME",                                                                                               \
         "of torch: float32, bfloat16, ... (default: transformers' own)",                                      \
         &(choice).python.dtype,                                                                               \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_SIZE, "batch-size", "N", "inputs in one call of Python (default 8)", &(choice).batch_size,     \
         1,           1024},                                                                                   \
        {OPTION_INT, "workers", "N", "Python processes (default 1)", &(choice).python.workers, 1, 64},         \
        {OPTION_INT,                                                                                           \
         "worker-threads",                                                                                     \
         "N",                                                                                                  \
         "torch's threads in each (default: torch's own)",                                                     \
         &(choice).python.worker_threads,                                                                      \
         1,                                                                                                    \
         1024},                                                                                                \
        {OPTION_INT,                                                                                           \
         "worker-timeout",                                                                                     \
         "MS",                                                                                                 \
         "a batch that takes longer ends its worker (default 30000)",                                          \
         &(choice).worker_timeout_ms,                                                                          \
         1,                                                                                                    \
         3600000},                                                                                             \
        {OPTION_SIZE,                                                                                          \
         "worker-max-memory",                                                                                  \
         "MIB",                                                                                                \
         "replace a worker grown past it (default: no limit)",                                                 \
         &(choice).python.max_memory_mib,                                                                      \
         1,                                                                                                    \
         1 << 24},                                                                                             \
        {OPTION_FLAG,                                                                                          \
         "trust-remote-code",                                                                                  \
         NULL,                                                                                                 \
         "let the model's own Python code run",                                                                \
         &(choice).python.trust_remote_code,                                                                   \
         0,                                                                                                    \
         0},                                                                                                   \
    {                                                                                                          \
        OPTION_STRING, "worker-script", "FILE", "serve load() and predict(batch) of that Python file",         \
            &(choice).python.worker_script, 0, 0                                                               \
    }

/* Opens what serves `model` (a directory or a Hub name, which Python finds itself; NULL: the embedded model).
 * On success close the engine, then the files. ERR_USAGE where the options contradict each other. */
bool engine_choice_open(struct engine_choice *choice, const struct setup *setup, const char *model,
                        struct model_files *files, struct engine **out, struct error *err);

#endif
