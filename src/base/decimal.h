/* Numbers as text. Any thread. */
#ifndef LINNET_BASE_DECIMAL_H
#define LINNET_BASE_DECIMAL_H

#include <stddef.h>

/* Writes a finite float as printf's "%.*g" does with the least precision from 6 on whose text reads back to
 * it, and ".0" behind it where that is a whole number without an exponent: JSON's shortest. Not
 * NUL-terminated. Returns its length. */
enum { DECIMAL_SIZE = 24 };
size_t decimal_put(float value, char out[DECIMAL_SIZE]);

#endif
