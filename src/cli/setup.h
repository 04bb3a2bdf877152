/* What the commands that load a model have in common. */
#ifndef LINNET_CLI_SETUP_H
#define LINNET_CLI_SETUP_H

#include "cli/options.h"
#include "engine/native.h"
#include "model/files.h"

struct setup {
    const char *precision, *isa;
    int threads;
};

/* The defaults: auto precision; the kernel path of LINNET_ISA or the best; all cores. */
void setup_default(struct setup *setup);

/* Rows for a command's option table. */
#define SETUP_ROWS(setup)                                                                                 \
    {OPTION_GROUP, NULL, NULL, "Computing", NULL, 0, 0},                                                  \
        {OPTION_STRING,      "precision", "NAME", "auto or fp32; auto computes in fp32 (default auto)",   \
         &(setup).precision, 0,           0},                                                             \
        {OPTION_STRING, "isa", "NAME", "at most this kernel path: ref, avx2, avx512 (default: the best)", \
         &(setup).isa,  0,     0},                                                                        \
    {                                                                                                     \
        OPTION_INT, "threads", "N", "threads that compute (default: the cores this process may use)",     \
            &(setup).threads, 1, 1024                                                                     \
    }

struct native_options setup_native(const struct setup *setup);

/* Opens the model in `directory`, or the embedded one where it is NULL. On success close the engine, then the
 * files. */
bool setup_open(const struct setup *setup, const char *directory, struct model_files *files,
                struct engine **out, struct error *err);

/* Sorts out [MODEL] [FILE]: a directory is the model; what else is there, or "-", is the file. `model` NULL:
 * embedded; `file` NULL: standard input. */
bool setup_arguments(const char *const positional[], size_t count, const char **model, const char **file,
                     struct error *err);

#endif
