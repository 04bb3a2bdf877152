#include "cli/setup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/host.h"
#include "cli/embedded.h"

void setup_default(struct setup *setup)
{
    const char *isa = getenv("LINNET_ISA");
    *setup = (struct setup){.precision = "auto", .isa = isa && *isa ? isa : NULL, .threads = host_cores()};
}

struct native_options setup_native(const struct setup *setup)
{
    return (struct native_options){setup->isa, setup->precision, setup->threads};
}

bool setup_open(const struct setup *setup, const char *directory, struct model_files *files,
                struct engine **out, struct error *err)
{
    const struct native_options options = setup_native(setup);
    if (!directory)
        embedded_model(files);
    else if (!model_files_open(directory, files, err))
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
        if (!exists)
            return error_set(err, ERR_NOT_FOUND, "%.300s: no such model directory and no such file",
                             positional[0]);
        if (!is_stdin && S_ISDIR(info.st_mode))
            *model = positional[0];
        else
            *file = positional[0];
    }
    if (*file && strcmp(*file, "-") == 0)
        *file = NULL;
    return true;
}
