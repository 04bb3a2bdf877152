/* The log: lines on stderr, one event each, as text or JSON. Any thread; a line is written whole.
 *
 * Set once at start, before other threads. Libraries below cli/ log only what nobody can be handed as an
 * error.
 */
#ifndef LINNET_BASE_LOG_H
#define LINNET_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_setup(enum log_level most, bool json);
bool log_enabled(enum log_level level);

/* `format` makes the message. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A message with fields: `fields` is the inside of a JSON object ("\"status\":200,..."), shown as it is in
 * JSON and after the message in text. */
void log_fields(enum log_level level, const char *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
