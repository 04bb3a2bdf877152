/* widen and add_widened. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* The value of a stored half, by the definition of its format; NaN has any payload. */
static double exact_half(unsigned bits, enum dtype dtype)
{
    int fraction_bits = dtype == DTYPE_F16 ? 10 : 7, exponent_bits = 15 - fraction_bits;
    int greatest = (1 << exponent_bits) - 1, bias = greatest / 2;
    int exponent = (int)(bits >> fraction_bits) & greatest, fraction = (int)bits & ((1 << fraction_bits) - 1);
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == greatest)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

static void every_half_widens_exactly(const struct path *path)
{
    check_begin("widen", path, "each_of_65536_halves_widens_exactly_with_its_sign");
    enum { COUNT = 65536 };
    for (int d = 0; d < 2; d++) {
        enum dtype dtype = d ? DTYPE_BF16 : DTYPE_F16;
        unsigned char *stored = guard_bytes(SLOT_X, 2 * COUNT + 1) + 1;
        for (unsigned i = 0; i < COUNT; i++)
            memcpy(stored + 2 * i, &(uint16_t){(uint16_t)i}, 2);
        float *y = guard_floats(SLOT_Y, COUNT);
        path->kernels->widen(y, stored, dtype, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            double want = exact_half(i, dtype), got = (double)y[i];
            if (isnan(want) ? !isnan(got) : got != want || signbit(got) != signbit(want))
                check_fail("%s 0x%04x is %g, not %g", dtype_name(dtype), i, got, want);
        }
    }
    check_end();
}

static void any_count_writes_its_elements_only(const struct path *path)
{
    check_begin("widen", path,
                "any_count_at_any_address_writes_its_elements_only_and_adds_to_what_was_there");
    for (int d = 0; d < 3; d++)
        for (size_t n = 1; n < 70; n++) {
            enum dtype dtype = (enum dtype)d;
            unsigned char *stored = guard_bytes(SLOT_X, n * dtype_size(dtype) + 1) + 1;
            for (size_t i = 0; i < n * dtype_size(dtype); i++)
                stored[i] = (unsigned char)((i * 29 + n) % 120);
            float *y = guard_floats(SLOT_Y, n), *sum = guard_floats(SLOT_OTHER, n);
            random_seed(n);
            random_fill(sum, 1, n, n, 1.0f);
            path->kernels->widen(y, stored, dtype, n);
            path->kernels->add_widened(sum, stored, dtype, n);
            random_seed(n);
            for (size_t i = 0; i < n; i++) {
                float alone, want = random_float() + y[i];
                path->kernels->widen(&alone, stored + i * dtype_size(dtype), dtype, 1);
                if (!same_bits(&alone, &y[i], 1) || !same_bits(&want, &sum[i], 1))
                    check_fail("%s, %zu elements: element %zu is wrong", dtype_name(dtype), n, i);
            }
            if (!guards_intact())
                check_fail("%s, %zu elements: wrote outside y", dtype_name(dtype), n);
        }
    check_end();
}

void check_widen(const struct path *path)
{
    every_half_widens_exactly(path);
    any_count_writes_its_elements_only(path);
}
