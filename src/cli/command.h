/* Commands: one file each, one const descriptor each. main.c only dispatches.
 *
 * Exit codes of every command: EXIT_OK, EXIT_FAILED (it could not be done: one line on stderr says why),
 * EXIT_USAGE (the command line is wrong), EXIT_SOME_FAILED (it was done but for some input lines, each
 * reported on stderr). What a command leaves in stdout's buffer main.c writes, and fails where it cannot.
 */
#ifndef LINNET_CLI_COMMAND_H
#define LINNET_CLI_COMMAND_H

#include "base/error.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SOME_FAILED = 3 };

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct command serve_command, run_command, tokenize_command, info_command, quantize_command,
    bench_command, verify_command, pull_command;

/* Prints "linnet: message" on stderr; returns EXIT_USAGE for a usage error, else EXIT_FAILED. */
int report(const struct error *err);

#endif
