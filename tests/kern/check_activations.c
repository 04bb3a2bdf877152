/* The activations, reached through a product of zeros: y[j] = activation(0 + bias[j]). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static float *activate(const struct path *path, enum precision precision, const float *values, int n,
                       enum activation activation)
{
    const struct kernels *kernels = path->kernels;
    float *zeros = guard_floats(SLOT_X, (size_t)n);
    memset(zeros, 0, (size_t)n * sizeof *zeros);
    size_t size = kern_packed_size(kernels, precision, n, 1);
    void *memory = guard_floats_aligned(SLOT_PACKED, size / sizeof(float));
    struct packed w = kern_packed_place(kernels, precision, n, 1, memory);
    kern_pack(kernels, &w, &(struct stored_weights){zeros, DTYPE_F32, NULL}, 0, w.panel_count);
    size_t row = kern_row_size(kernels, precision, 1);
    void *form = memset(guard_bytes(SLOT_FORM, row), 0, row);
    static const struct row_scale scale = {1.0f, 0};
    float *y = guard_floats(SLOT_Y, (size_t)n);
    struct gemm g = {.x = form,
                     .x_stride = row,
                     .scales = &scale,
                     .y = y,
                     .y_stride = (size_t)n,
                     .bias = values,
                     .m = 1,
                     .activation = activation};
    kernels->gemm[precision](&g, &w, 0, w.panel_count);
    return y;
}

/* -24..24 evenly, and magnitudes from 2^-40 to 2^40 of both signs. */
static float *many_values(int *count)
{
    int even = entries(400000, 20000), magnitudes = even / 4;
    *count = even + magnitudes;
    float *x = guard_floats(SLOT_W, (size_t)*count);
    for (int i = 0; i < even; i++)
        x[i] = -24.0f + 48.0f * (float)i / (float)even;
    for (int i = 0; i < magnitudes; i++)
        x[even + i] = (i % 2 ? 1.0f : -1.0f) * exp2f(-40.0f + 80.0f * (float)i / (float)magnitudes);
    return x;
}

static void values_are_within_the_stated_bound_everywhere(const struct path *path, enum precision precision)
{
    int count;
    const float *x = many_values(&count);
    for (int a = 0; a < 6; a++) {
        enum activation activation = (enum activation)a;
        check_begin("activation", path, "values_are_within_the_stated_bound_everywhere");
        const float *y = activate(path, precision, x, count, activation);
        double worst = 0;
        int where = 0;
        for (int i = 0; i < count; i++) {
            double difference = fabs(y[i] - activation_exact(x[i], activation)) / fmax(1, fabs((double)x[i]));
            if (!(difference <= worst)) {
                worst = difference;
                where = i;
            }
        }
        if (!(worst <= activation_bound(precision, activation)))
            check_fail("%s(%.9g) is off by %.3g of max(1, |x|), bound %.3g", activation_name(activation),
                       (double)x[where], worst, activation_bound(precision, activation));
        check_note("%s after %s: at most %.2g of max(1, |x|)", activation_name(activation),
                   precision_name(precision), worst);
        check_end();
    }
}

static void values_near_zero_keep_their_digits(const struct path *path)
{
    check_begin("activation", path, "values_near_zero_keep_their_digits");
    int count;
    const float *x = many_values(&count);
    for (int a = 0; a < 6; a++) {
        const float *y = activate(path, PRECISION_FP32, x, count, (enum activation)a);
        for (int i = 0; i < count; i++) {
            double exact = activation_exact(x[i], (enum activation)a);
            if (fabs((double)x[i]) < 1 && !(fabs(y[i] - exact) <= 8 * 0x1p-24 * fabs(exact))) {
                check_fail("%s(%.9g) is %.9g, exactly %.9g", activation_name((enum activation)a),
                           (double)x[i], (double)y[i], exact);
                break;
            }
        }
    }
    check_end();
}

static void nan_and_infinities_give_what_the_formulas_give(const struct path *path)
{
    check_begin("activation", path, "nan_infinities_and_huge_values_give_what_the_formulas_give");
    static const float x[] = {NAN, -NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0.0f, -0.0f, 1e-45f, -1e-45f};
    for (int a = 0; a < 6; a++) {
        bool linear = a == ACT_NONE, bounded = a == ACT_TANH, product = !linear && !bounded && a != ACT_RELU;
        const float *y = activate(path, PRECISION_FP32, x, 10, (enum activation)a);
        for (int i = 0; i < 10; i++) {
            float want = x[i];
            if (bounded && fabsf(x[i]) > 1)
                want = x[i] > 0 ? 1 : -1;
            else if (product && x[i] == -INFINITY)
                want = NAN;
            else if (!linear && x[i] < -1)
                want = 0;
            bool right = isnan(want) ? isnan(y[i]) : fabsf(x[i]) < 1 ? fabsf(y[i]) <= 1e-45f : y[i] == want;
            if (!right)
                check_fail("%s(%g) is %g, not %g", activation_name((enum activation)a), (double)x[i],
                           (double)y[i], (double)want);
        }
    }
    check_end();
}

static void a_value_has_the_same_bits_in_any_column(const struct path *path)
{
    check_begin("activation", path, "a_value_has_the_same_bits_in_any_column");
    enum { N = 200 };
    random_seed(1);
    for (int a = 0; a < 6; a++)
        for (int repeat = 0; repeat < entries(50, 3); repeat++) {
            float value = 6.0f * random_float(), *x = guard_floats(SLOT_W, N);
            for (int i = 0; i < N; i++)
                x[i] = value;
            for (int n = N - 40; n <= N; n++) {
                const float *y = activate(path, PRECISION_FP32, x, n, (enum activation)a);
                for (int i = 1; i < n; i++)
                    if (!same_bits(&y[i], &y[0], 1))
                        check_fail("%s(%.9g) differs in column %d of %d", activation_name((enum activation)a),
                                   (double)value, i, n);
            }
        }
    check_end();
}

void check_activations(const struct path *path)
{
    for (int i = 0; i < PRECISION_COUNT; i++)
        if (adds_gemm(path, (enum precision)i))
            values_are_within_the_stated_bound_everywhere(path, (enum precision)i);
    if (!adds_gemm(path, PRECISION_FP32))
        return;
    values_near_zero_keep_their_digits(path);
    nan_and_infinities_give_what_the_formulas_give(path);
    a_value_has_the_same_bits_in_any_column(path);
}
