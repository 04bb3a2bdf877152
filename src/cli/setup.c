#include "cli/setup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/host.h"
#include "cli/embedded.h"
#include "cli/find.h"

void setup_default(struct setup *setup)
{
    const char *isa = getenv("LINNET_ISA");
    *setup = (struct setup){.precision = "auto", .isa = isa && *isa ? isa : NULL, .threads = host_cores()};
}

struct native_options setup_native(const struct setup *setup)
{
    return (struct native_options){
        .isa = setup->isa,
        .precision = setup->precision,
        .load_threads = setup->threads,
        .task = setup->task,
        .pooling = setup->pooling,
    };
}

bool setup_files(const struct setup *setup, const char *model, struct model_files *files, struct error *err)
{
    char directory[HUB_PATH_SIZE];
    if (!model && setup->revision)
        return error_set(
            err, ERR_USAGE,
            "--revision is for a name at the Hub, and there is no MODEL: the embedded one is meant");
    if (!model) {
        embedded_model(files);
        return true;
    }
    if (!model_find(model, setup->revision, directory, err) || !model_files_open(directory, files, err))
        return false;
    files->name = model;
    return true;
}

bool setup_open(const struct setup *setup, const char *model, struct model_files *files, struct engine **out,
                struct error *err)
{
    const struct native_options options = setup_native(setup);
    if (!setup_files(setup, model, files, err))
        return false;
    *out = native_open(files, &options, err);
    if (*out)
        return true;
    model_files_close(files);
    return false;
}

bool setup_arguments(const char *const positional[], size_t count, const char **model, const char **file,
                     struct error *err)
{
    struct stat info;
    *model = *file = NULL;
    if (count == 2) {
        if (stat(positional[1], &info) == 0 && S_ISDIR(info.st_mode))
            return error_set(err, ERR_USAGE, "%.300s is a directory; the order is MODEL FILE", positional[1]);
        *model = positional[0];
        *file = positional[1];
    } else if (count == 1) {
        bool is_stdin = strcmp(positional[0], "-") == 0;
        bool exists = is_stdin || stat(positional[0], &info) == 0;
        bool is_name = !exists && strchr(positional[0], '/') && model_is_name(positional[0]);
        if (!exists && !is_name)
            return error_set(
                err, ERR_NOT_FOUND,
                "%.300s: no such model directory and no such file; a model at the Hub without an owner "
                "wants a FILE too, or - for standard input",
                positional[0]);
        if (is_name || (!is_stdin && S_ISDIR(info.st_mode)))
            *model = positional[0];
        else
            *file = positional[0];
    }
    if (*file && strcmp(*file, "-") == 0)
        *file = NULL;
    return true;
}
