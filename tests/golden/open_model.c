/* Opens each model directory named on the command line with the native engine, in one process, and prints one
 * line a model: the error kind's name ("none" for a model that opened), a tab, the message.
 * test_bad_models.py reads it. */
#include <stdio.h>

#include "engine/native.h"
#include "model/files.h"

static void open_model(const char *directory)
{
    struct error err = {.kind = ERR_NONE};
    struct model_files files;
    struct native_options options = {.isa = "ref", .precision = "auto", .load_threads = 1};
    if (model_files_open(directory, &files, &err)) {
        engine_close(native_open(&files, &options, &err));
        model_files_close(&files);
    }
    printf("%s\t%s\n", error_kind_name(err.kind), err.kind == ERR_NONE ? "" : err.message);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        open_model(argv[i]);
    return 0;
}
