/* kern_select and kern_path. */
#include <string.h>

#include "check.h"

static const struct path table = {"table", NULL, NULL};

static void every_path_is_selected_by_its_name_or_refused_by_it(void)
{
    check_begin("kern_select", &table, "every_path_is_selected_by_its_name_or_refused_by_it");
    const struct kernels *path, *best = NULL;
    bool available;
    for (int i = 0; (path = kern_path(i, &available)); i++) {
        struct error err = {0};
        const struct kernels *got = kern_select(path->name, &err);
        if (available ? got != path : got || err.kind != ERR_USAGE || !strstr(err.message, path->name))
            check_fail("%s: %s", path->name, got ? got->name : err.message);
        if (available)
            best = path;
    }
    struct error err = {0};
    if (kern_select(NULL, &err) != best)
        check_fail("no cap does not give the highest path");
    check_end();
}

static void an_unknown_name_is_refused_with_the_names_there_are(void)
{
    check_begin("kern_select", &table, "an_unknown_name_is_refused_with_the_names_there_are");
    struct error err = {0};
    if (kern_select("sse9", &err) || err.kind != ERR_USAGE || !strstr(err.message, "sse9") ||
        !strstr(err.message, "ref"))
        check_fail("%s", err.message);
    check_end();
}

void check_select(void)
{
    every_path_is_selected_by_its_name_or_refused_by_it();
    an_unknown_name_is_refused_with_the_names_there_are();
}
