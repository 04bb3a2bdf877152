/* What the commands that load a model have in common. */
#ifndef LINNET_CLI_SETUP_H
#define LINNET_CLI_SETUP_H

#include "cli/options.h"
#include "engine/native.h"
#include "model/files.h"

struct setup {
    const char *precision, *isa, *revision; /* revision: of a Hub name, or NULL */
    const char *task, *pooling;             /* NULL: what the model's files say */
    int threads;
};

/* The defaults: auto precision; the kernel path of LINNET_ISA or the best; all cores. */
void setup_default(struct setup *setup);

/* Rows for a command's option table. */
#define REVISION_ROW(setup)                                                                     \
    {                                                                                           \
        OPTION_STRING, "revision", "REV", "branch, tag or commit of a Hub name (default main)", \
            &(setup).revision, 0, 0                                                             \
    }
#define POOLING_ROW(setup)                                                                      \
    {                                                                                           \
        OPTION_STRING, "pooling", "NAME",                                                       \
            "of embeddings: cls, max, mean, ..., splade (default: the model's own, else mean)", \
            &(setup).pooling, 0, 0                                                              \
    }
#define TASK_ROWS(setup)                                                                         \
    {OPTION_STRING,                                                                              \
     "task",                                                                                     \
     "NAME",                                                                                     \
     "text-, token-, zero-shot-classification, fill-mask, feature-extraction, sparse-embedding " \
     "(default: the model's)",                                                                   \
     &(setup).task,                                                                              \
     0,                                                                                          \
     0},                                                                                         \
        POOLING_ROW(setup)
#define SETUP_ROWS(setup)                                                                             \
    {OPTION_GROUP, NULL, NULL, "Computing", NULL, 0, 0},                                              \
        {OPTION_STRING,                                                                               \
         "precision",                                                                                 \
         "NAME",                                                                                      \
         "auto, fp32, bf16 or int8; auto is fp32, or what quantize wrote (default auto)",             \
         &(setup).precision,                                                                          \
         0,                                                                                           \
         0},                                                                                          \
        {OPTION_STRING,                                                                               \
         "isa",                                                                                       \
         "NAME",                                                                                      \
         "at most this kernel path: ref, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16",           \
         &(setup).isa,                                                                                \
         0,                                                                                           \
         0},                                                                                          \
    {                                                                                                 \
        OPTION_INT, "threads", "N", "threads that compute (default: the cores this process may use)", \
            &(setup).threads, 1, 1024                                                                 \
    }

struct native_options setup_native(const struct setup *setup);

/* The files of `model`: a directory or a Hub name (cli/find.h), or the embedded model where it is NULL. The
 * string must outlive the files. */
bool setup_files(const struct setup *setup, const char *model, struct model_files *files, struct error *err);

/* Opens them with the native engine. On success close the engine, then the files. */
bool setup_open(const struct setup *setup, const char *model, struct model_files *files, struct engine **out,
                struct error *err);

/* Sorts out [MODEL] [FILE]: a directory, or owner/name where no such file is, is the model; what else is
 * there, or "-", is the file. `model` NULL: embedded; `file` NULL: standard input. */
bool setup_arguments(const char *const positional[], size_t count, const char **model, const char **file,
                     struct error *err);

#endif
