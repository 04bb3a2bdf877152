#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/suggest.h"

enum { MAX_OPTIONS = 96, HELP_COLUMN = 34 };

static void print_help(const struct usage *usage)
{
    printf("Usage: %s\n\n%s\n", usage->line, usage->text);
    for (size_t i = 0; i < usage->row_count; i++) {
        const struct option_row *row = &usage->rows[i];
        if (row->type == OPTION_GROUP) {
            printf("\n%s:\n", row->help);
            continue;
        }
        char left[80];
        snprintf(left, sizeof left, "  --%s%s%s", row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        printf("%-*s %s%s\n", HELP_COLUMN, left, row->type == OPTION_REFUSED ? "refused: " : "", row->help);
    }
    printf("%-*s %s\n", HELP_COLUMN, "  --help", "this text");
    printf("\nExamples:\n%s\n", usage->examples);
    printf("\nExit codes: 0 done; 1 failed, one line on stderr says why; 2 the command line is wrong;\n"
           "3 done but for some input lines, each reported on stderr.\n");
}

static bool set_number(const struct option_row *row, const char *value, struct error *err)
{
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < row->min || number > row->max)
        return error_set(err, ERR_USAGE, "--%s is \"%.60s\", want a whole number from %ld to %ld", row->name,
                         value, row->min, row->max);
    if (row->type == OPTION_INT)
        *(int *)row->target = (int)number;
    else
        *(size_t *)row->target = (size_t)number;
    return true;
}

static bool add_to_list(const struct option_row *row, const char *value, struct error *err)
{
    struct option_list *list = row->target;
    if (list->is_preset)
        *list = (struct option_list){.count = 0};
    if (list->count == OPTION_LIST_SIZE)
        return error_set(err, ERR_USAGE, "--%s is given more than %d times", row->name, OPTION_LIST_SIZE);
    list->values[list->count++] = value;
    return true;
}

static bool set_value(const struct option_row *row, const char *value, struct error *err)
{
    switch (row->type) {
    case OPTION_FLAG:
        *(bool *)row->target = true;
        return true;
    case OPTION_INT:
    case OPTION_SIZE:
        return set_number(row, value, err);
    case OPTION_LIST:
        return add_to_list(row, value, err);
    case OPTION_REFUSED:
        return error_set(err, ERR_USAGE, "--%s has no meaning here: %s", row->name, row->help);
    default:
        *(const char **)row->target = value;
        return true;
    }
}

static bool set_flag(const struct option_row *row, const char *value, struct error *err)
{
    bool on = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (!on && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0)
        return error_set(err, ERR_USAGE, "--%s is \"%.60s\", want true or false", row->name, value);
    *(bool *)row->target = on;
    return true;
}

bool options_set(const struct usage *usage, const char *name, const char *value, struct error *err)
{
    for (size_t i = 0; i < usage->row_count; i++) {
        const struct option_row *row = &usage->rows[i];
        if (!row->name || strcmp(row->name, name) != 0)
            continue;
        if (row->type == OPTION_FLAG)
            return set_flag(row, value, err);
        if (!set_value(row, value, err))
            return false;
        if (row->type == OPTION_LIST)
            ((struct option_list *)row->target)->is_preset = true;
        return true;
    }
    return error_set(err, ERR_INTERNAL, "there is no option --%s", name);
}

static void refuse_unknown(const struct usage *usage, const char *argument, struct error *err)
{
    const char *names[MAX_OPTIONS], *word = argument + strspn(argument, "-");
    size_t count = 0;
    for (size_t i = 0; i < usage->row_count && count < MAX_OPTIONS; i++)
        if (usage->rows[i].name)
            names[count++] = usage->rows[i].name;
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word, "="), word);
    const char *near = suggest_nearest(bare, names, count);
    if (near)
        error_set(err, ERR_USAGE, "unknown option %.100s; did you mean --%s?", argument, near);
    else
        error_set(err, ERR_USAGE, "unknown option %.100s; see --help", argument);
}

static enum parsed take_positional(int argc, char **argv, const char *positional[], size_t capacity,
                                   size_t *count, struct error *err)
{
    *count = 0;
    for (int i = optind; i < argc; i++) {
        if (*count == capacity) {
            error_set(err, ERR_USAGE, "\"%.200s\" is one argument too many; see --help", argv[i]);
            return PARSED_WRONG;
        }
        positional[(*count)++] = argv[i];
    }
    return PARSED_RUN;
}

/* The index of a long option, or -1. */
static int find_long(const struct option *longs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(longs[i].name, name) == 0)
            return (int)i;
    return -1;
}

enum parsed options_parse(const struct usage *usage, int argc, char **argv, const char *positional[],
                          size_t capacity, size_t *positional_count, struct error *err)
{
    struct option longs[MAX_OPTIONS] = {0};
    size_t rows[MAX_OPTIONS], count = 0;
    for (size_t i = 0; i < usage->row_count && count < MAX_OPTIONS - 2; i++) {
        if (!usage->rows[i].name)
            continue;
        rows[count] = i;
        longs[count].name = usage->rows[i].name;
        longs[count++].has_arg = usage->rows[i].type == OPTION_FLAG ? no_argument : required_argument;
    }
    size_t help = count;
    longs[count].name = "help";
    opterr = 0;
    optind = 1;
    for (;;) {
        int index = -1, at = optind, found = getopt_long(argc, argv, ":ho:", longs, &index);
        if (found == -1)
            return take_positional(argc, argv, positional, capacity, positional_count, err);
        if (found == 'h' || (found == 0 && (size_t)index == help)) {
            print_help(usage);
            return PARSED_HELP;
        }
        if (found == 'o')
            index = find_long(longs, count, "output");
        if (found == 'o' && index >= 0)
            found = 0;
        if (found == ':') {
            error_set(err, ERR_USAGE, "%.100s wants a value; see --help", argv[optind - 1]);
            return PARSED_WRONG;
        }
        if (found != 0) {
            refuse_unknown(usage, argv[optind > at ? optind - 1 : at], err);
            return PARSED_WRONG;
        }
        if (!set_value(&usage->rows[rows[index]], optarg, err))
            return PARSED_WRONG;
    }
}
