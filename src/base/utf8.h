/* Well-formed UTF-8 (RFC 3629, 4). Any thread. */
#ifndef LINNET_BASE_UTF8_H
#define LINNET_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the well-formed sequence that text[0..left) begins with, or 0. left >= 1. */
size_t utf8_sequence(const unsigned char *text, size_t left);

bool utf8_valid(const char *text, size_t length);

#endif
