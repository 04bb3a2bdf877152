/* Unicode's normal forms (Unicode Standard Annex 15), by the package's tables. Any thread. */
#ifndef LINNET_TEXT_NORMAL_FORM_H
#define LINNET_TEXT_NORMAL_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "text/text_buffer.h"

enum normal_form { FORM_NFD, FORM_NFKD, FORM_NFC, FORM_NFKC };

/* Appends the form of text[0..length) to `out`, from whose arena scratch memory comes. False: no memory. */
bool normal_form_apply(enum normal_form form, const char *text, size_t length, struct text_buffer *out);

#endif
