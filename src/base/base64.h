/* Base64 (RFC 4648, 4): the standard alphabet, with padding. Any thread. */
#ifndef LINNET_BASE_BASE64_H
#define LINNET_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Decodes text[0..length), whose padding must be whole, into out[0..*out_length). False: it is no base64, or
 * decodes to more than `size` bytes. */
bool base64_read(const char *text, size_t length, char *out, size_t size, size_t *out_length);

/* Appends bytes[0..length) encoded. */
void base64_put(struct buf *out, const void *bytes, size_t length);

#endif
