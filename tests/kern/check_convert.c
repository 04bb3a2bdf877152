/* convert: rows of x in the form that int8 and bf16 products read. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const int widths[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 312, 768, 3072};
enum { WIDTHS = 16, ROWS = 5, GAP = 3 };

struct converted {
    const struct path *path;
    unsigned char *form;
    size_t stride;
    struct row_scale *scales;
};

static struct converted convert(const struct path *path, enum precision precision, const float *x,
                                size_t x_stride, int rows, int k)
{
    size_t size = kern_row_size(path->kernels, precision, k), stride = size + 64;
    struct converted c = {path, guard_bytes(SLOT_FORM, (size_t)(rows - 1) * stride + size), stride,
                          (struct row_scale *)(void *)guard_floats(SLOT_SCALES, 2 * (size_t)rows)};
    path->kernels->convert[precision](c.form, stride, c.scales, x, x_stride, rows, k);
    return c;
}

/* q - zero of an element, from either form. */
static int quantised(const struct converted *c, int row, int i)
{
    const unsigned char *at = c->form + (size_t)row * c->stride;
    int16_t pair;
    if (c->path->kernels->int8_group == 4)
        return at[i] - c->scales[row].zero;
    memcpy(&pair, at + 2 * i, sizeof pair);
    return pair;
}

static void each_element_is_within_half_a_step(const struct path *path)
{
    check_begin("convert int8", path, "each_element_is_within_half_a_step_and_a_step_is_the_range_over_255");
    for (int w = 0; w < entries(WIDTHS, 14); w++)
        for (int shift = -2; shift <= 2; shift++) {
            int k = widths[w];
            size_t stride = (size_t)k + GAP;
            float *x = guard_floats(SLOT_X, (ROWS - 1) * stride + (size_t)k);
            random_seed((uint64_t)k);
            random_fill(x, ROWS, (size_t)k, stride, 3.0f);
            for (int r = 0; r < ROWS; r++)
                for (int i = 0; i < k; i++)
                    x[(size_t)r * stride + (size_t)i] += (float)shift; /* rows of one sign, and of both */
            struct converted c = convert(path, PRECISION_INT8, x, stride, ROWS, k);
            for (int r = 0; r < ROWS; r++) {
                double low = 0, high = 0, scale = (double)c.scales[r].scale;
                for (int i = 0; i < k; i++) {
                    double value = (double)x[(size_t)r * stride + (size_t)i];
                    low = fmin(low, value);
                    high = fmax(high, value);
                    /* Past the ends, where zero itself was rounded, up to a whole step. */
                    if (fabs(value / scale - quantised(&c, r, i)) > 1.001)
                        check_fail("k %d: %g with scale %g became %d", k, value, scale, quantised(&c, r, i));
                }
                if (fabs(scale * 255 - (high - low)) > 1e-6 * (high - low))
                    check_fail("k %d: scale %g for %g..%g", k, scale, low, high);
            }
        }
    check_end();
}

static void q_is_that_of_the_reference(const struct path *path)
{
    check_begin("convert int8", path, "q_scale_and_zero_are_those_of_the_reference");
    bool available;
    const struct path reference = {"ref", kern_path(0, &available), NULL};
    static int want[ROWS][3072];
    static struct row_scale scales[ROWS];
    for (int w = 0; w < entries(WIDTHS, 14); w++) {
        int k = widths[w];
        float *x = guard_floats(SLOT_X, (size_t)(ROWS * k));
        random_seed((uint64_t)k);
        random_fill(x, ROWS, (size_t)k, (size_t)k, 3.0f);
        struct converted c = convert(&reference, PRECISION_INT8, x, (size_t)k, ROWS, k);
        memcpy(scales, c.scales, sizeof scales);
        for (int i = 0; i < ROWS * k; i++)
            want[i / k][i % k] = quantised(&c, i / k, i % k);
        c = convert(path, PRECISION_INT8, x, (size_t)k, ROWS, k);
        if (memcmp(scales, c.scales, sizeof scales) != 0)
            check_fail("k %d: scales differ", k);
        for (int i = 0; i < ROWS * k; i++)
            if (quantised(&c, i / k, i % k) != want[i / k][i % k])
                check_fail("k %d: x[%d][%d] became %d, not %d", k, i / k, i % k, quantised(&c, i / k, i % k),
                           want[i / k][i % k]);
    }
    check_end();
}

static void a_row_that_is_not_finite_has_scale_nan(const struct path *path)
{
    check_begin("convert int8", path, "a_row_that_is_not_finite_has_scale_nan_and_its_neighbours_do_not");
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int b = 0; b < 3; b++)
        for (int w = 0; w < entries(WIDTHS, 14); w++)
            for (int at = 0; at < 2; at++) {
                int k = widths[w];
                float *x = guard_floats(SLOT_X, (size_t)(ROWS * k));
                random_fill(x, ROWS, (size_t)k, (size_t)k, 3.0f);
                x[2 * k + (at ? k - 1 : 0)] = bad[b];
                struct converted c = convert(path, PRECISION_INT8, x, (size_t)k, ROWS, k);
                for (int r = 0; r < ROWS; r++)
                    if (isnan(c.scales[r].scale) != (r == 2))
                        check_fail("k %d, %g in row 2: row %d has scale %g", k, (double)bad[b], r,
                                   (double)c.scales[r].scale);
            }
    check_end();
}

static void zeros_and_extremes_have_finite_forms(const struct path *path)
{
    check_begin("convert int8", path, "rows_of_zeros_subnormals_and_the_greatest_floats_have_finite_forms");
    static const float ends[][2] = {
        {0.0f, -0.0f}, {1e-42f, -1e-42f}, {FLT_MAX, -FLT_MAX}, {FLT_MAX, 1.0f}, {-1.0f, -FLT_MAX}};
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
        struct converted c = convert(path, PRECISION_INT8, ends[e], 2, 1, 2);
        if (!isfinite(c.scales[0].scale))
            check_fail("%g and %g have scale %g", (double)ends[e][0], (double)ends[e][1],
                       (double)c.scales[0].scale);
        for (int i = 0; i < 2; i++)
            if (fabs(quantised(&c, 0, i) * (double)c.scales[0].scale - (double)ends[e][i]) >
                1.001 * fmax((double)c.scales[0].scale, 0x1p-118))
                check_fail("%g became %d with scale %g", (double)ends[e][i], quantised(&c, 0, i),
                           (double)c.scales[0].scale);
    }
    check_end();
}

/* Every upper half of a float, each with lower halves around the tie. */
static void halves_are_rounded_to_even(const struct path *path)
{
    check_begin("convert bf16", path, "every_float_near_a_tie_is_rounded_to_even_and_nan_stays_nan");
    static const uint32_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    enum { COUNT = 65536, CASES = 6 };
    float *x = guard_floats(SLOT_X, COUNT);
    for (int l = 0; l < CASES; l++) {
        for (uint32_t i = 0; i < COUNT; i++)
            memcpy(&x[i], &(uint32_t){i << 16 | lower[l]}, sizeof *x);
        struct converted c = convert(path, PRECISION_BF16, x, COUNT, 1, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint16_t got;
            memcpy(&got, c.form + 2 * i, sizeof got);
            bool nan = (i & 0x7f80) == 0x7f80 && ((i & 0x7f) != 0 || lower[l] != 0);
            bool small = (i & 0x7f80) == 0;
            bool up = lower[l] > 0x8000 || (lower[l] == 0x8000 && (i & 1));
            uint32_t want = small ? i & 0x8000 : nan ? (i | 0x40) : i + up;
            if (got != want)
                check_fail("%08x became %04x, not %04x", (unsigned)(i << 16 | lower[l]), got, (unsigned)want);
        }
    }
    check_end();
}

static void an_odd_row_ends_in_a_zero(const struct path *path)
{
    check_begin("convert bf16", path, "the_last_word_of_an_odd_row_holds_a_zero_and_rows_stay_apart");
    for (int w = 0; w < entries(WIDTHS, 14); w++) {
        int k = widths[w];
        size_t stride = (size_t)k + GAP;
        float *x = guard_floats(SLOT_X, (ROWS - 1) * stride + (size_t)k);
        random_fill(x, ROWS, (size_t)k, stride, 3.0f);
        struct converted c = convert(path, PRECISION_BF16, x, stride, ROWS, k);
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < (k + 1) / 2 * 2; i++) {
                uint16_t got, want = i < k ? kern_bf16(x[(size_t)r * stride + (size_t)i]) : 0;
                memcpy(&got, c.form + (size_t)r * c.stride + (size_t)i * 2, sizeof got);
                if (got != want)
                    check_fail("k %d: x[%d][%d] became %04x, not %04x", k, r, i, got, want);
            }
    }
    check_end();
}

void check_convert(const struct path *path)
{
    if (adds_gemm(path, PRECISION_INT8)) {
        each_element_is_within_half_a_step(path);
        q_is_that_of_the_reference(path);
        a_row_that_is_not_finite_has_scale_nan(path);
        zeros_and_extremes_have_finite_forms(path);
    }
    if (adds_gemm(path, PRECISION_BF16)) {
        halves_are_rounded_to_even(path);
        an_odd_row_ends_in_a_zero(path);
    }
}
