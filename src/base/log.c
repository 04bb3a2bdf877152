#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

static enum log_level most_verbose = LOG_INFO;
static bool as_json;

void log_setup(enum log_level most, bool json)
{
    most_verbose = most;
    as_json = json;
}

bool log_enabled(enum log_level level)
{
    return level <= most_verbose;
}

static void write_line(enum log_level level, const char *fields, const char *message)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm utc;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);

    struct buf line;
    buf_init(&line);
    if (as_json) {
        buf_printf(&line, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":", when,
                   now.tv_nsec / 1000000, names[level]);
        json_put_string(&line, message, strlen(message));
        buf_printf(&line, "%s%s}\n", fields ? "," : "", fields ? fields : "");
    } else {
        buf_printf(&line, "%s.%03ldZ %-5s %s%s%s\n", when, now.tv_nsec / 1000000, names[level], message,
                   fields ? " " : "", fields ? fields : "");
    }
    if (buf_ok(&line)) {
        /* One write a line keeps lines of several threads apart. A log that cannot be written has nowhere to
         * say so. */
        ssize_t written = write(STDERR_FILENO, line.bytes, line.length);
        (void)written;
    }
    buf_free(&line);
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    write_line(level, NULL, message);
}

void log_fields(enum log_level level, const char *fields, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    write_line(level, fields, message);
}
