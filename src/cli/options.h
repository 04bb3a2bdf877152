/* Command-line options: a table says what there is, and parsing, --help and suggestions follow from it. */
#ifndef LINNET_CLI_OPTIONS_H
#define LINNET_CLI_OPTIONS_H

#include <stddef.h>

#include "base/error.h"

enum option_type {
    OPTION_GROUP,   /* a heading in --help; `help` is its text */
    OPTION_FLAG,    /* bool *target */
    OPTION_INT,     /* int *target, from min to max */
    OPTION_SIZE,    /* size_t *target, from min to max */
    OPTION_STRING,  /* const char **target */
    OPTION_LIST,    /* struct option_list *target: each time one more */
    OPTION_REFUSED, /* known elsewhere; `help` says why it has no meaning here */
};

enum { OPTION_LIST_SIZE = 16 };

struct option_list {
    const char *values[OPTION_LIST_SIZE];
    size_t count;
    bool is_preset; /* by options_set(): the command line's first takes their place */
};

struct option_row {
    enum option_type type;
    const char *name;     /* without the dashes */
    const char *argument; /* what --help calls its value */
    const char *help;
    void *target;
    long min, max;
};

struct usage {
    const char *line;     /* "linnet run [options] [MODEL] [FILE]" */
    const char *text;     /* what it does, whole sentences */
    const char *examples; /* lines */
    const struct option_row *rows;
    size_t row_count;
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_WRONG };

/* Parses argv[1..] into the targets and up to `capacity` positional arguments. --help prints the help on
 * stdout; -h is --help, and -o is --output where there is such a row. What is wrong fills err with ERR_USAGE,
 * naming the argument and the nearest option. */
enum parsed options_parse(const struct usage *usage, int argc, char **argv, const char *positional[],
                          size_t capacity, size_t *positional_count, struct error *err);

/* Sets one option, by its long name, as the command line would; a flag takes true, false, 1 or 0. Call
 * it before options_parse(), whose values replace it. ERR_USAGE. */
bool options_set(const struct usage *usage, const char *name, const char *value, struct error *err);

#endif
