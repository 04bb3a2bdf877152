#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Makes one line of UTF-8 of what a message quotes: control characters become spaces, and broken sequences,
 * also those that a precision or the end of the array cut, become '?'. */
static void clean(char *text)
{
    size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        size_t sequence = utf8_sequence((const unsigned char *)text + at, length - at);
        if (sequence == 0)
            text[at] = '?';
        else if ((unsigned char)text[at] < 0x20 || text[at] == 0x7F)
            text[at] = ' ';
        at += sequence ? sequence : 1;
    }
}

static void set_message(struct error *err, enum error_kind kind, const char *format, va_list args)
{
    err->kind = kind;
    err->retry_ms = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    clean(err->message);
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(err, kind, format, args);
    va_end(args);
    return false;
}

bool error_prefix(struct error *err, const char *format, ...)
{
    char inner[sizeof err->message];
    memcpy(inner, err->message, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->message)
        snprintf(err->message + used, sizeof err->message - (size_t)used, ": %s", inner);
    clean(err->message);
    return false;
}

static enum error_kind kind_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_PERMISSION;
    case EADDRINUSE:
        return ERR_ADDRESS_IN_USE;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

bool error_set_errno(struct error *err, int number, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(err, kind_of_errno(number), format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(number));
    return false;
}

const char *error_kind_name(enum error_kind kind)
{
    static const char *const names[] = {
#define X(kind, name, words) [ERR_##kind] = name,
        ERROR_KINDS(X)
#undef X
    };
    return names[kind];
}

const char *error_kind_words(enum error_kind kind)
{
    static const char *const words[] = {
#define X(kind, name, words) [ERR_##kind] = words,
        ERROR_KINDS(X)
#undef X
    };
    return words[kind];
}
