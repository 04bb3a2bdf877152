#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drops a UTF-8 sequence that vsnprintf cut in its middle. */
static void trim_partial_character(char *text)
{
    size_t end = strlen(text), start = end;
    while (start > 0 && end - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (end - (start - 1) < want)
        text[start - 1] = '\0';
}

static void set_message(struct error *err, enum error_kind kind, const char *format, va_list args)
{
    err->kind = kind;
    err->retry_ms = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    trim_partial_character(err->message);
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
    trim_partial_character(err->message);
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
