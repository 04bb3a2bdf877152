#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    if (!buf_reserve(out, (length + 2) / 3 * 4))
        return;
    for (; length >= 3; at += 3, length -= 3) {
        unsigned long group = (unsigned long)at[0] << 16 | (unsigned long)at[1] << 8 | at[2];
        const char four[] = {alphabet[group >> 18], alphabet[group >> 12 & 63], alphabet[group >> 6 & 63],
                             alphabet[group & 63]};
        buf_append(out, four, sizeof four);
    }
    if (length == 0)
        return;
    unsigned long group = (unsigned long)at[0] << 16 | (length == 2 ? (unsigned long)at[1] << 8 : 0);
    const char last[] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                         length == 2 ? alphabet[group >> 6 & 63] : '=', '='};
    buf_append(out, last, sizeof last);
}

bool base64_read(const char *text, size_t length, char *out, size_t size, size_t *out_length)
{
    unsigned long group = 0;
    if (length % 4 != 0)
        return false;
    size_t padding = length && text[length - 1] == '=' ? 1 + (text[length - 2] == '=') : 0;
    *out_length = length / 4 * 3 - padding;
    if (*out_length > size)
        return false;
    for (size_t i = 0, at = 0; i < length; i++) {
        const char *letter = i < length - padding ? memchr(alphabet, text[i], sizeof alphabet - 1) : alphabet;
        if (!letter)
            return false;
        group = group << 6 | (unsigned long)(letter - alphabet);
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0 && at < *out_length; shift -= 8)
            out[at++] = (char)(group >> shift & 0xff);
        group = 0;
    }
    return true;
}
