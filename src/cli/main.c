#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cli/command.h"
#include "cli/version.h"

static const struct command *const commands[] = {&serve_command,  &run_command,      &tokenize_command,
                                                 &info_command,   &quantize_command, &bench_command,
                                                 &verify_command, &pull_command};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

int report(const struct error *err)
{
    fprintf(stderr, "linnet: %s\n", err->message);
    return err->kind == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static void print_help(FILE *out)
{
    fprintf(out,
            "linnet %s: serves transformer encoder models from one small program.\n\nUsage: linnet COMMAND "
            "[options]\n\nCommands:\n",
            LINNET_VERSION);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\n  linnet COMMAND --help      options and examples of a command\n"
                 "  linnet --version           the version; with --licenses also what the program contains\n"
                 "\nTry: linnet serve\n");
}

static int print_version(int argc, char **argv)
{
    bool licenses = argc == 3 && strcmp(argv[2], "--licenses") == 0;
    if (argc > 2 && !licenses) {
        fprintf(stderr, "linnet: unknown option %s; after --version only --licenses may come\n",
                argv[argc - 1]);
        return EXIT_USAGE;
    }
    printf("linnet %s\n", LINNET_VERSION);
    if (licenses)
        printf("\n%s\n%s", embedded_notice, embedded_license);
    return EXIT_OK;
}

static int refuse_command(const char *word)
{
    const char *names[COMMAND_COUNT];
    for (int i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *near = suggest_nearest(word, names, COMMAND_COUNT);
    if (near)
        fprintf(stderr, "linnet: unknown command \"%s\"; did you mean %s?\n", word, near);
    else
        fprintf(stderr, "linnet: unknown command \"%s\"; see linnet --help\n", word);
    return EXIT_USAGE;
}

/* Where a standard descriptor is closed, the next file or socket would get its number, and what is printed
 * would go there. What takes stdout's place cannot be written to: there output is lost, which is an error. */
static bool open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

/* Writes what was printed. The exit code: `code`, or that of lost output where nothing else went wrong. */
static int finish_output(int code)
{
    struct error err;
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code == EXIT_FAILED || code == EXIT_USAGE)
        return code;
    if (errno)
        error_set_errno(&err, errno, "writing the output");
    else
        error_set(&err, ERR_IO, "writing the output: some of it is lost"); /* the reason went by */
    return report(&err);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return print_version(argc, argv);
    if (strcmp(argv[1], "help") == 0 && argc > 2) {
        char help[] = "--help", *arguments[] = {argv[2], help, NULL};
        for (int i = 0; i < COMMAND_COUNT; i++)
            if (strcmp(argv[2], commands[i]->name) == 0)
                return commands[i]->run(2, arguments);
        return refuse_command(argv[2]);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    return refuse_command(argv[1]);
}

int main(int argc, char **argv)
{
    if (!open_standard_descriptors()) {
        fprintf(stderr, "linnet: /dev/null cannot be opened: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    signal(SIGCHLD, SIG_DFL); /* ignored, which is inherited, no child's status could be waited for */
    return finish_output(dispatch(argc, argv));
}
