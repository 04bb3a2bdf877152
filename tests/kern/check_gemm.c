/* gemm_f32 and pack_f32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const int outputs[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 312, 384, 768};
static const int depths[] = {1, 2, 7, 64, 312, 384, 768, 1536};
static const int heights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 60, 128};
enum { MAX_M = 128, GAP = 3, OUTPUTS = 12, DEPTHS = 8, HEIGHTS = 15 };

/* One product: x[m][k] w[n][k]^T with bias and residual, all strides wider than the rows. */
struct product {
    int m, n, k;
    enum activation activation;
    float *x, *w, *bias, *residual;
    size_t x_stride, y_stride, residual_stride;
};

static void make_product(struct product *p, int m, int n, int k, enum activation activation)
{
    *p = (struct product){.m = m, .n = n, .k = k, .activation = activation};
    p->x_stride = (size_t)k + GAP;
    p->y_stride = (size_t)n + GAP;
    p->residual_stride = (size_t)n + 1;
    size_t rows = (size_t)m, columns = (size_t)n, depth = (size_t)k;
    random_seed((uint64_t)(n * 4096 + k));
    p->w = guard_floats(SLOT_W, columns * depth);
    random_fill(p->w, columns, depth, depth, 2.0f / sqrtf((float)k));
    p->bias = guard_floats(SLOT_BIAS, columns);
    random_fill(p->bias, 1, columns, columns, 1.0f);
    p->x = guard_floats(SLOT_X, (rows - 1) * p->x_stride + depth);
    random_fill(p->x, rows, depth, p->x_stride, 2.0f);
    p->residual = guard_floats(SLOT_RESIDUAL, (rows - 1) * p->residual_stride + columns);
    random_fill(p->residual, rows, columns, p->residual_stride, 1.0f);
}

static struct packed_f32 pack(const struct path *path, const struct product *p)
{
    int panel = path->kernels->panel, panels = (p->n + panel - 1) / panel;
    float *data = guard_floats_aligned(SLOT_PACKED, kern_packed_size(path->kernels, p->n, p->k));
    path->kernels->pack_f32(data, p->w, DTYPE_F32, p->n, p->k, 0, panels);
    return (struct packed_f32){.n = p->n, .k = p->k, .panel = panel, .panel_count = panels, .data = data};
}

static size_t y_size(const struct product *p, int m)
{
    return (size_t)(m - 1) * p->y_stride + (size_t)p->n;
}

/* Rows 0..m of the product, in a fresh buffer of `slot`. */
static float *multiply(const struct path *path, const struct product *p, const struct packed_f32 *w, int m,
                       enum slot slot)
{
    float *y = guard_floats(slot, y_size(p, m));
    struct gemm_f32 g = {.x = p->x,
                         .x_stride = p->x_stride,
                         .y = y,
                         .y_stride = p->y_stride,
                         .bias = p->bias,
                         .residual = p->residual,
                         .residual_stride = p->residual_stride,
                         .m = m,
                         .activation = p->activation};
    path->kernels->gemm_f32(&g, w, 0, w->panel_count);
    return y;
}

/* One output in double. *bound: the rounding errors of a float sum over k in any order (Higham, 3.5: k u sum
 * |x w|), passed on by the activation, whose slope is at most 1.13, and of what follows. */
static double exact_output(const struct product *p, int row, int column, double *bound)
{
    double sum = 0, magnitude = 0;
    for (int i = 0; i < p->k; i++) {
        double term = (double)p->x[(size_t)row * p->x_stride + (size_t)i] *
                      p->w[(size_t)column * (size_t)p->k + (size_t)i];
        sum += term;
        magnitude += fabs(term);
    }
    sum += p->bias[column];
    double activated = activation_exact(sum, p->activation);
    double residual = p->residual[(size_t)row * p->residual_stride + (size_t)column];
    *bound = 1.13 * 0x1p-24 * ((p->k + 1) * magnitude + fabs(sum)) +
             activation_bound(p->activation) * fmax(1, fabs(sum)) + 0x1p-24 * fabs(activated + residual);
    return activated + residual;
}

/* All outputs of small products, and about a thousand of large ones, spread over rows and columns alike. */
static void compare_with_exact(const struct product *p, const float *y)
{
    int step = p->m * p->n > 1000 ? p->m * p->n / 1000 * 2 + 1 : 1;
    for (int i = 0; i < p->m * p->n; i += step) {
        int row = i / p->n, column = i % p->n;
        double bound, exact = exact_output(p, row, column, &bound);
        double got = y[(size_t)row * p->y_stride + (size_t)column];
        if (!(fabs(got - exact) <= bound)) {
            check_fail("m %d n %d k %d %s: y[%d][%d] is %.9g, exactly %.9g, bound %.2g", p->m, p->n, p->k,
                       activation_name(p->activation), row, column, got, exact, bound);
            return;
        }
    }
}

static void results_are_within_the_rounding_bound_of_exact_sums(const struct path *path)
{
    check_begin("gemm_f32", path, "results_are_within_the_rounding_bound_of_exact_sums");
    for (int a = 0; a < entries(OUTPUTS, 10); a++)
        for (int b = 0; b < entries(DEPTHS, 4); b++)
            for (int c = 0; c < entries(HEIGHTS, 13); c++) {
                struct product p;
                make_product(&p, heights[c], outputs[a], depths[b], (enum activation)((a + b + c) % 6));
                struct packed_f32 w = pack(path, &p);
                float *y = multiply(path, &p, &w, p.m, SLOT_Y);
                compare_with_exact(&p, y);
                if (!guards_intact() || !gaps_intact(y, (size_t)p.m, (size_t)p.n, p.y_stride))
                    check_fail("m %d n %d k %d: wrote outside y", p.m, p.n, p.k);
            }
    check_end();
}

static void a_row_has_the_same_bits_with_any_number_of_rows(const struct path *path)
{
    check_begin("gemm_f32", path, "a_row_has_the_same_bits_with_any_number_of_rows");
    for (int a = 0; a < entries(OUTPUTS, 10); a++)
        for (int b = 0; b < entries(DEPTHS, 4); b++) {
            struct product p;
            int most = entries(MAX_M, 13);
            make_product(&p, most, outputs[a], depths[b], ACT_GELU_ERF);
            struct packed_f32 w = pack(path, &p);
            const float *all = multiply(path, &p, &w, most, SLOT_OTHER);
            for (int c = 0; c < entries(HEIGHTS, 13); c++) {
                int m = heights[c];
                const float *y = multiply(path, &p, &w, m, SLOT_Y);
                if (!same_bits(y, all, y_size(&p, m)))
                    check_fail("n %d k %d: %d rows alone differ from the same rows among %d", p.n, p.k, m,
                               most);
            }
        }
    check_end();
}

static void panels_computed_apart_have_the_same_bits(const struct path *path)
{
    check_begin("gemm_f32", path, "panels_computed_apart_have_the_same_bits_and_write_only_their_columns");
    for (int a = 0; a < entries(OUTPUTS, 10); a++) {
        struct product p;
        make_product(&p, 13, outputs[a], 64, ACT_SILU);
        struct packed_f32 w = pack(path, &p);
        const float *all = multiply(path, &p, &w, p.m, SLOT_OTHER);
        float *y = guard_floats(SLOT_Y, y_size(&p, p.m));
        struct gemm_f32 g = {.x = p.x,
                             .x_stride = p.x_stride,
                             .y = y,
                             .y_stride = p.y_stride,
                             .bias = p.bias,
                             .residual = p.residual,
                             .residual_stride = p.residual_stride,
                             .m = p.m,
                             .activation = p.activation};
        for (int panel = w.panel_count - 1; panel >= 0; panel--) {
            path->kernels->gemm_f32(&g, &w, panel, panel + 1);
            if (panel > 0 && !isnan(y[(size_t)(panel * w.panel - 1)]))
                check_fail("n %d: panel %d wrote left of its columns", p.n, panel);
        }
        if (!same_bits(y, all, y_size(&p, p.m)))
            check_fail("n %d: panels one by one differ from all at once", p.n);
    }
    check_end();
}

static void bias_and_residual_may_be_absent_and_y_may_be_the_residual(const struct path *path)
{
    check_begin("gemm_f32", path, "bias_and_residual_may_be_absent_and_y_may_be_the_residual");
    struct product p;
    make_product(&p, 13, 65, 64, ACT_NONE);
    struct packed_f32 w = pack(path, &p);
    float *plain = guard_floats(SLOT_OTHER, y_size(&p, p.m)), *y = guard_floats(SLOT_Y, y_size(&p, p.m));
    struct gemm_f32 g = {.x = p.x, .x_stride = p.x_stride, .y = plain, .y_stride = p.y_stride, .m = p.m};
    path->kernels->gemm_f32(&g, &w, 0, w.panel_count);
    random_fill(y, (size_t)p.m, (size_t)p.n, p.y_stride, 1.0f);
    float first = y[0], last = y[y_size(&p, p.m) - 1];
    g.y = y;
    g.residual = y;
    g.residual_stride = p.y_stride;
    path->kernels->gemm_f32(&g, &w, 0, w.panel_count);
    if (y[0] != plain[0] + first || y[y_size(&p, p.m) - 1] != plain[y_size(&p, p.m) - 1] + last)
        check_fail("y is not the product plus what y held");
    check_end();
}

static void nan_and_infinity_reach_their_row_and_no_other(const struct path *path)
{
    check_begin("gemm_f32", path, "nan_and_infinity_reach_their_row_and_no_other");
    for (int a = 0; a < 6; a++)
        for (int row = 0; row < 13; row++)
            for (int infinite = 0; infinite < 2; infinite++) {
                struct product p;
                make_product(&p, 13, 65, 64, (enum activation)a);
                p.x[(size_t)row * p.x_stride + 63] = infinite ? INFINITY : NAN;
                p.residual = NULL;
                for (size_t i = 0; i < 65; i++)
                    p.w[i * 64 + 63] = 0.25f;
                struct packed_f32 w = pack(path, &p);
                const float *y = multiply(path, &p, &w, p.m, SLOT_Y);
                for (int i = 0; i < 13 * 65; i++) {
                    float got = y[(size_t)(i / 65) * p.y_stride + (size_t)(i % 65)];
                    bool right = i / 65 != row ? isfinite(got)
                                 : infinite    ? got == (a == ACT_TANH ? 1 : INFINITY)
                                               : isnan(got);
                    if (!right)
                        check_fail("%s: y[%d][%d] is %g with %s in row %d", activation_name(p.activation),
                                   i / 65, i % 65, (double)got, infinite ? "inf" : "NaN", row);
                }
            }
    check_end();
}

static void panels_hold_the_weights_and_zeros_past_the_last_output(const struct path *path)
{
    check_begin("pack_f32", path, "panels_hold_the_weights_and_zeros_past_the_last_output");
    for (int a = 0; a < entries(OUTPUTS, 10); a++)
        for (int b = 0; b < entries(DEPTHS, 4); b++) {
            struct product p;
            make_product(&p, 1, outputs[a], depths[b], ACT_NONE);
            struct packed_f32 w = pack(path, &p);
            for (int i = 0; i < w.panel_count * w.panel * p.k; i++) {
                int panel = i / (w.panel * p.k), depth = i / w.panel % p.k,
                    output = panel * w.panel + i % w.panel;
                float want = output < p.n ? p.w[(size_t)output * (size_t)p.k + (size_t)depth] : 0.0f;
                if (!same_bits(&w.data[i], &want, 1)) {
                    check_fail("n %d k %d: element %d is %g, not %g", p.n, p.k, i, (double)w.data[i],
                               (double)want);
                    break;
                }
            }
        }
    check_end();
}

static void half_precision_weights_pack_as_their_widened_values(const struct path *path)
{
    check_begin("pack_f32", path, "half_precision_weights_at_odd_addresses_pack_as_their_widened_values");
    for (int d = 0; d < 2; d++) {
        enum dtype dtype = d ? DTYPE_BF16 : DTYPE_F16;
        int n = 65, k = 71, panel = path->kernels->panel, panels = (n + panel - 1) / panel;
        unsigned char *stored = guard_bytes(SLOT_OTHER, (size_t)(n * k * 2 + 1));
        for (int i = 0; i < n * k * 2 + 1; i++)
            stored[i] = (unsigned char)(i * 37 % 120);
        float *wide = guard_floats(SLOT_W, (size_t)(n * k));
        path->kernels->widen(wide, stored + 1, dtype, (size_t)(n * k));
        float *data = guard_floats_aligned(SLOT_PACKED, kern_packed_size(path->kernels, n, k));
        for (int p = 0; p < panels; p++)
            path->kernels->pack_f32(data, stored + 1, dtype, n, k, p, p + 1);
        for (int i = 0; i < n * k; i++) {
            int output = i / k;
            const float *got = &data[(output / panel * k + i % k) * panel + output % panel];
            if (!same_bits(got, &wide[i], 1))
                check_fail("%s: w[%d][%d] is %g, not %g", dtype_name(dtype), output, i % k, (double)*got,
                           (double)wide[i]);
        }
    }
    check_end();
}

void check_gemm(const struct path *path)
{
    panels_hold_the_weights_and_zeros_past_the_last_output(path);
    half_precision_weights_pack_as_their_widened_values(path);
    results_are_within_the_rounding_bound_of_exact_sums(path);
    a_row_has_the_same_bits_with_any_number_of_rows(path);
    panels_computed_apart_have_the_same_bits(path);
    bias_and_residual_may_be_absent_and_y_may_be_the_residual(path);
    nan_and_infinity_reach_their_row_and_no_other(path);
}
