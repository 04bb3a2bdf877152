/* layer_norm, softmax and rotate. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const int widths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 312, 384, 768, 1024, 3072};
enum { WIDTHS = 19, ROWS = 5, GAP = 3 };
static const float eps = 1e-12f;

/* The rounding errors of a float sum over n terms, taken in at least 8 parts. */
static double sum_error(int n)
{
    return (n / 8 + 8) * 0x1p-24;
}

/* x, gamma and beta in fresh buffers; y too, unless it is to be x. */
static float *normalise(const struct path *path, int n, float offset, bool in_place, float **x_out)
{
    size_t columns = (size_t)n, stride = columns + GAP;
    random_seed((uint64_t)n);
    float *x = guard_floats(SLOT_X, (ROWS - 1) * stride + columns), *gamma = guard_floats(SLOT_W, columns);
    float *beta = guard_floats(SLOT_BIAS, columns);
    random_fill(x, ROWS, columns, stride, 2.0f);
    random_fill(gamma, 1, columns, columns, 1.5f);
    random_fill(beta, 1, columns, columns, 0.5f);
    for (size_t i = 0; i < ROWS * columns; i++)
        x[i / columns * stride + i % columns] += offset;
    *x_out = x;
    float *y = in_place ? x : guard_floats(SLOT_Y, (ROWS - 1) * stride + columns);
    path->kernels->layer_norm(y, x, stride, ROWS, n, gamma, beta, eps);
    if (!gaps_intact(y, ROWS, columns, stride))
        check_fail("n %d: wrote between the rows", n);
    return y;
}

static void compare_normalised(int n, const float *x, const float *y, const float *gamma, const float *beta)
{
    double mean = 0, magnitude = 0, variance = 0;
    for (int i = 0; i < n; i++) {
        mean += x[i] / (double)n;
        magnitude += fabs((double)x[i]) / n;
    }
    for (int i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / n;
    double deviation = sqrt(variance + (double)eps);
    for (int i = 0; i < n; i++) {
        double normal = (x[i] - mean) / deviation, exact = normal * gamma[i] + beta[i];
        double shift = sum_error(n) * magnitude / deviation; /* of the mean */
        double bound =
            fabs((double)gamma[i]) * (2 * shift + sum_error(n) * fabs(normal)) + 0x1p-23 * fabs(exact);
        if (!(fabs(y[i] - exact) <= bound))
            check_fail("n %d: y[%d] is %.9g, exactly %.9g, bound %.2g", n, i, (double)y[i], exact, bound);
    }
}

static void layer_norm_is_within_the_rounding_bound(const struct path *path)
{
    check_begin("layer_norm", path, "results_are_within_the_rounding_bound_of_the_exact_formula");
    for (int w = 1; w < WIDTHS;
         w++) /* of one column, the deviation is zero and rounding of the mean is all there is */
        for (int shifted = 0; shifted < 2; shifted++) {
            int n = widths[w];
            float *x, *y = normalise(path, n, shifted ? 3.0f : 0.0f, false, &x);
            const float *gamma = guard_at(SLOT_W), *beta = guard_at(SLOT_BIAS);
            for (size_t r = 0; r < ROWS; r++)
                compare_normalised(n, x + r * (size_t)(n + GAP), y + r * (size_t)(n + GAP), gamma, beta);
        }
    check_end();
}

static void a_constant_row_becomes_beta(const struct path *path)
{
    check_begin("layer_norm", path, "a_constant_row_becomes_beta");
    for (int w = 0; w < WIDTHS; w++) {
        size_t n = (size_t)widths[w];
        float *x = guard_floats(SLOT_X, n), *ones = guard_floats(SLOT_W, n),
              *beta = guard_floats(SLOT_BIAS, n);
        random_fill(beta, 1, n, n, 1.0f);
        for (size_t i = 0; i < n; i++) {
            x[i] = 0.5f;
            ones[i] = 1.0f;
        }
        path->kernels->layer_norm(x, x, n, 1, (int)n, ones, beta, eps);
        if (!same_bits(x, beta, n))
            check_fail("n %zu: not beta", n);
    }
    check_end();
}

static void layer_norm_in_place_and_row_by_row_has_the_same_bits(const struct path *path)
{
    check_begin("layer_norm", path, "in_place_and_row_by_row_give_the_same_bits");
    for (int w = 0; w < WIDTHS; w++) {
        size_t n = (size_t)widths[w], stride = n + GAP, size = (ROWS - 1) * stride + n;
        float *x, *apart = normalise(path, (int)n, 1.0f, false, &x), *single = guard_floats(SLOT_OTHER, n);
        for (size_t r = 0; r < ROWS; r++) {
            path->kernels->layer_norm(single, x + r * stride, n, 1, (int)n, guard_at(SLOT_W),
                                      guard_at(SLOT_BIAS), eps);
            if (!same_bits(single, apart + r * stride, n))
                check_fail("n %zu: row %zu alone differs", n, r);
        }
        const float *together = normalise(path, (int)n, 1.0f, true, &x);
        if (!same_bits(together, apart, size))
            check_fail("n %zu: in place differs", n);
    }
    check_end();
}

static void a_bad_value_makes_its_row_nan_and_no_other(const struct path *path)
{
    check_begin("layer_norm", path, "nan_or_infinity_makes_its_row_nan_and_no_other");
    for (int w = 0; w < WIDTHS; w++)
        for (int infinite = 0; infinite < 2; infinite++) {
            size_t n = (size_t)widths[w];
            float *x = guard_floats(SLOT_X, 3 * n), *ones = guard_floats(SLOT_W, n);
            random_fill(x, 3, n, n, 1.0f);
            random_fill(ones, 1, n, n, 1.0f);
            x[2 * n - 1] = infinite ? -INFINITY : NAN;
            path->kernels->layer_norm(x, x, n, 3, (int)n, ones, ones, eps);
            for (size_t i = 0; i < 3 * n; i++)
                if (i / n == 1 ? !isnan(x[i]) : !isfinite(x[i]))
                    check_fail("n %zu: y[%zu][%zu] is %g", n, i / n, i % n, (double)x[i]);
        }
    check_end();
}

static void softmax_is_within_the_rounding_bound(const struct path *path)
{
    check_begin("softmax", path, "results_are_within_the_rounding_bound_of_the_exact_formula");
    for (int n = 1; n <= 600; n += n < 70 ? 1 : 53) {
        double exact[600], sum = 0, max = -INFINITY;
        size_t count = (size_t)n;
        float *x = guard_floats(SLOT_X, count);
        random_seed((uint64_t)n);
        random_fill(x, 1, count, count, 20.0f);
        for (int i = 0; i < n; i++)
            max = fmax(max, (double)x[i]);
        for (int i = 0; i < n; i++)
            sum += exact[i] = exp(x[i] - max);
        float *y = guard_floats(SLOT_Y, count);
        memcpy(y, x, count * sizeof *x);
        path->kernels->softmax(y, n);
        for (int i = 0; i < n; i++) {
            double bound = exact[i] / sum * (sum_error(n) + 0x1p-24 * fabs(x[i] - max));
            if (!(fabs(y[i] - exact[i] / sum) <= bound))
                check_fail("n %d: y[%d] is %.9g, exactly %.9g, bound %.2g", n, i, (double)y[i],
                           exact[i] / sum, bound);
        }
        if (!guards_intact())
            check_fail("n %d: wrote outside x", n);
    }
    check_end();
}

static void softmax_of_nan_or_plus_infinity_is_nan(const struct path *path)
{
    check_begin("softmax", path, "nan_or_plus_infinity_makes_all_nan_and_minus_infinity_becomes_zero");
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (int n = 2; n < entries(70, 36); n++)
        for (int at = 0; at < n; at++)
            for (int b = 0; b < 4; b++) {
                float *x = guard_floats(SLOT_X, (size_t)n);
                random_fill(x, 1, (size_t)n, (size_t)n, 3.0f);
                x[at] = bad[b];
                path->kernels->softmax(x, n);
                for (int i = 0; i < n; i++) {
                    bool right = b < 3 ? isnan(x[i]) : i == at ? x[i] == 0 : x[i] > 0;
                    if (!right)
                        check_fail("n %d: y[%d] is %g with %g at %d", n, i, (double)x[i], (double)bad[b], at);
                }
            }
    check_end();
}

/* Both orders of the sums have one rounding each, so there is one right answer. */
static void rotation_gives_the_bits_of_the_formula(const struct path *path)
{
    check_begin("rotate", path, "halves_are_rotated_with_the_bits_of_the_formula");
    enum { HEADS = 3, MOST = 140 };
    for (int size = 2; size <= MOST; size += size < 40 ? 2 : 10) {
        size_t count = (size_t)size * HEADS, half = (size_t)size / 2;
        float from[HEADS * MOST], *x = guard_floats(SLOT_X, count),
                                  *turn = guard_floats(SLOT_W, (size_t)size);
        random_seed((uint64_t)size);
        random_fill(x, 1, count, count, 3.0f);
        random_fill(turn, 1, (size_t)size, (size_t)size, 1.0f);
        memcpy(from, x, count * sizeof *x);
        path->kernels->rotate(x, HEADS, size, turn);
        for (size_t i = 0; i < count; i++) {
            size_t pair = i % (size_t)size % half, head = i / (size_t)size * (size_t)size;
            float first = from[head + pair], second = from[head + half + pair];
            float cosine = turn[pair], sine = turn[half + pair];
            float want =
                i % (size_t)size < half ? first * cosine - second * sine : second * cosine + first * sine;
            if (x[i] != want)
                check_fail("head size %d: x[%zu] is %.9g, not %.9g", size, i, (double)x[i], (double)want);
        }
    }
    check_end();
}

static void nan_reaches_the_other_of_its_pair_and_no_more(const struct path *path)
{
    check_begin("rotate", path, "nan_and_infinity_reach_the_other_of_their_pair_and_no_more");
    for (int size = 2; size <= 40; size += 2)
        for (int at = 0; at < size; at++) {
            float *x = guard_floats(SLOT_X, 2 * (size_t)size), *turn = guard_floats(SLOT_W, (size_t)size);
            random_fill(x, 1, 2 * (size_t)size, 0, 1.0f);
            for (int i = 0; i < size; i++)
                turn[i] = 0.5f;
            x[at] = at % 2 ? NAN : INFINITY;
            path->kernels->rotate(x, 2, size, turn);
            for (int i = 0; i < 2 * size; i++)
                if ((i < size && i % (size / 2) == at % (size / 2)) == isfinite(x[i]))
                    check_fail("head size %d: x[%d] is %g with a bad value at %d", size, i, (double)x[i], at);
        }
    check_end();
}

void check_rows(const struct path *path)
{
    layer_norm_is_within_the_rounding_bound(path);
    a_constant_row_becomes_beta(path);
    layer_norm_in_place_and_row_by_row_has_the_same_bits(path);
    a_bad_value_makes_its_row_nan_and_no_other(path);
    softmax_is_within_the_rounding_bound(path);
    softmax_of_nan_or_plus_infinity_is_nan(path);
    rotation_gives_the_bits_of_the_formula(path);
    nan_reaches_the_other_of_its_pair_and_no_more(path);
}
