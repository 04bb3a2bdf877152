#include "base/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Powers of ten that a double holds exactly: 5^22 < 2^53. */
static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A number of `count` decimal digits, the first of which stands for 10^exponent. */
struct digits {
    uint32_t value;
    int count, exponent;
};

/* The usual way: the float times a power of ten, as a double of nine digits before its point, with an account
 * of how far that may be off (half of 2^-52 of it, below 1.2e-7). False where that cannot tell, and for
 * floats that are too large or too small for an exact power. */
static bool find_digits(float value, struct digits *out)
{
    static const double unsure = 1e-6;
    static const uint32_t units[] = {1000, 100, 10, 1};
    const double size = fabs((double)value);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    /* The floats below a power of two are closer to it than those above. */
    if (!(size >= 1e-13 && size < 1e6) || (bits & 0x7FFFFF) == 0)
        return false;
    const int binary = (int)(bits >> 23 & 0xFF) - 127;
    /* 1233 / 2^12 is log10(2) rounded down: this is the exponent, or one less. */
    int exponent = binary * 1233 / 4096 - (binary < 0);
    if (size * POWERS[8 - exponent] >= 1e9)
        exponent++;
    const double nine = size * POWERS[8 - exponent], reach = ldexp(POWERS[8 - exponent], binary - 24);
    const uint32_t whole = (uint32_t)nine;
    for (int i = 0; i < 4; i++) {
        const uint32_t unit = units[i];
        const double above = whole % unit + (nine - whole), below = unit - above;
        const double away = above < below ? above : below;
        if (fabs(away - reach) < unsure || fabs(above - below) < unsure)
            return false;
        if (away > reach)
            continue;
        *out = (struct digits){whole / unit + (below < above), 6 + i, exponent};
        return out->value < 1000000000 / unit;
    }
    return false;
}

/* A fraction, or a number with an exponent where that is below -4, without zeros at the end. */
static size_t put_digits(struct digits digits, char *out)
{
    char text[10] = "", *to = out;
    while (digits.value % 10 == 0 && digits.count > 1) {
        digits.value /= 10;
        digits.count--;
    }
    for (int i = digits.count; i > 0; digits.value /= 10)
        text[--i] = (char)('0' + digits.value % 10);
    const int exponent = digits.exponent, before = exponent < -4 ? 1 : exponent < 0 ? 0 : exponent + 1;
    for (int i = 0; i < before; i++)
        *to++ = i < digits.count ? text[i] : '0';
    if (before == 0)
        *to++ = '0';
    const bool whole = digits.count <= before;
    if (!whole || exponent >= -4)
        *to++ = '.';
    for (int i = -1; i > exponent && exponent >= -4; i--)
        *to++ = '0';
    for (int i = before; i < digits.count; i++)
        *to++ = text[i];
    if (exponent < -4) {
        *to++ = 'e';
        *to++ = '-';
        *to++ = (char)('0' + -exponent / 10);
        *to++ = (char)('0' + -exponent % 10);
    } else if (whole) {
        *to++ = '0';
    }
    return (size_t)(to - out);
}

size_t decimal_put(float value, char out[DECIMAL_SIZE])
{
    struct digits digits;
    if (find_digits(value, &digits)) {
        *out = '-';
        return put_digits(digits, out + (value < 0)) + (value < 0);
    }
    /* Nine digits name every float (IEEE 754-2008, 5.12.2); most need fewer. */
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(out, DECIMAL_SIZE, "%.*g", precision, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
    const size_t length = strlen(out);
    if (strpbrk(out, ".e"))
        return length;
    memcpy(out + length, ".0", sizeof ".0");
    return length + 2;
}
