#include "text/pretokenizer.h"

#include "text/unicode.h"

enum { SEPARATOR = UNICODE_WHITESPACE | UNICODE_PUNCTUATION };

/* The properties of the character at *at, and *at moved past it. */
static inline unsigned next_properties(const char **at, const char *end)
{
    unsigned char byte = (unsigned char)**at;
    if (byte < 0x80) {
        ++*at;
        return unicode_properties_values[(size_t)unicode_properties_blocks[0] * UNICODE_BLOCK + byte];
    }
    return unicode_properties(utf8_decode(at, end));
}

bool pretokenizer_next(const char **at, const char *end, const char **word)
{
    const char *start = *at, *next = start;
    unsigned properties = UNICODE_WHITESPACE;
    while (next < end) {
        start = next;
        properties = next_properties(&next, end);
        if (!(properties & UNICODE_WHITESPACE))
            break;
    }
    if (properties & UNICODE_WHITESPACE) {
        *at = end;
        return false;
    }
    const char *stop = next;
    if (!(properties & UNICODE_PUNCTUATION)) {
        while (next < end && !(next_properties(&next, end) & SEPARATOR))
            stop = next;
    }
    *word = start;
    *at = stop;
    return true;
}
