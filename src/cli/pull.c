#include <errno.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/find.h"
#include "cli/options.h"

static int pull_main(int argc, char **argv)
{
    const char *revision = NULL;
    const struct option_row rows[] = {
        {OPTION_GROUP, NULL, NULL, "Model", NULL, 0, 0},
        {OPTION_STRING, "revision", "REV", "branch, tag or commit (default main)", &revision, 0, 0},
    };
    const struct usage usage = {
        .line = "linnet pull [options] NAME[@REVISION]",
        .text = "Downloads the files that linnet needs of a model at the Hugging Face Hub into the\n"
                "cache that huggingface_hub uses too, and prints the directory. What is there already\n"
                "is not downloaded again, a broken download is gone on with. Environment: HF_TOKEN,\n"
                "HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_ENDPOINT.",
        .examples = "  linnet pull distilbert/distilbert-base-uncased-finetuned-sst-2-english\n"
                    "  linnet info \"$(linnet pull owner/name@v1.0)\"",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
    };
    const char *positional[1];
    char directory[HUB_PATH_SIZE];
    size_t count;
    struct error err;
    enum parsed parsed = options_parse(&usage, argc, argv, positional, 1, &count, &err);
    if (parsed == PARSED_HELP)
        return EXIT_OK;
    if (parsed == PARSED_RUN && count == 0)
        error_set(&err, ERR_USAGE, "pull wants the NAME of a model, as owner/name");
    if (parsed == PARSED_WRONG || count == 0 || !model_pull(positional[0], revision, directory, &err))
        return report(&err);
    if (printf("%s\n", directory) < 0 || fflush(stdout) != 0) {
        error_set_errno(&err, errno, "writing the output");
        return report(&err);
    }
    return EXIT_OK;
}

const struct command pull_command = {"pull", "download a model by its name at the Hub", pull_main};
