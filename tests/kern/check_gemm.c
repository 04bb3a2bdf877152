/* gemm, in each precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kern/paths.h"

static const int outputs[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 312, 384, 768};
static const int depths[] = {1, 2, 7, 64, 312, 384, 768, 1536};
static const int heights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 60, 128};
enum { MAX_M = 128, MAX_N = 768, MAX_K = 1536, GAP = 3, OUTPUTS = 12, DEPTHS = 8, HEIGHTS = 15 };

/* One product: x[m][k] w[n][k]^T with bias and residual, all strides wider than the rows. */
struct product {
    const struct path *path;
    enum precision precision;
    int m, n, k;
    enum activation activation;
    float *x, *w, *bias, *residual;
    size_t x_stride, y_stride, residual_stride;
    const void *form; /* x as the product reads it */
    size_t form_stride;
    struct row_scale *scales;
    struct packed packed;
};

/* What make_product() filled in may be changed before prepare_product(). */
static void make_product(struct product *p, const struct path *path, enum precision precision, int m, int n,
                         int k, enum activation activation)
{
    *p = (struct product){
        .path = path, .precision = precision, .m = m, .n = n, .k = k, .activation = activation};
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

/* Packs w and converts x. Its rows stand one line further apart than they need to. */
static void prepare_product(struct product *p)
{
    const struct kernels *kernels = p->path->kernels;
    size_t rows = (size_t)p->m, size = kern_packed_size(kernels, p->precision, p->n, p->k);
    void *memory = guard_floats_aligned(SLOT_PACKED, size / sizeof(float));
    p->packed = kern_packed_place(kernels, p->precision, p->n, p->k, memory);
    kern_pack(kernels, &p->packed, &(struct stored_weights){p->w, DTYPE_F32, NULL}, 0, p->packed.panel_count);
    p->form = p->x;
    p->form_stride = p->x_stride * sizeof *p->x;
    if (p->precision == PRECISION_FP32)
        return;
    size_t row_size = kern_row_size(kernels, p->precision, p->k);
    p->form_stride = row_size + 64;
    unsigned char *form = guard_bytes(SLOT_FORM, (rows - 1) * p->form_stride + row_size);
    p->scales = (struct row_scale *)(void *)guard_floats(SLOT_SCALES, 2 * rows);
    kernels->convert[p->precision](form, p->form_stride, p->scales, p->x, p->x_stride, p->m, p->k);
    p->form = form;
}

static void new_product(struct product *p, const struct path *path, enum precision precision, int m, int n,
                        int k, enum activation activation)
{
    make_product(p, path, precision, m, n, k, activation);
    prepare_product(p);
}

static size_t y_size(const struct product *p, int m)
{
    return (size_t)(m - 1) * p->y_stride + (size_t)p->n;
}

static struct gemm gemm_of(const struct product *p, float *y, int m)
{
    return (struct gemm){.x = p->form,
                         .x_stride = p->form_stride,
                         .scales = p->scales,
                         .y = y,
                         .y_stride = p->y_stride,
                         .bias = p->bias,
                         .residual = p->residual,
                         .residual_stride = p->residual_stride,
                         .m = m,
                         .activation = p->activation};
}

/* Rows 0..m of the product, in a fresh buffer of `slot`. */
static float *multiply(const struct product *p, int m, enum slot slot)
{
    float *y = guard_floats(slot, y_size(p, m));
    struct gemm g = gemm_of(p, y, m);
    p->path->kernels->gemm[p->precision](&g, &p->packed, 0, p->packed.panel_count);
    return y;
}

/* x or w as its rows are multiplied: as they are, rounded to bfloat16, or quantised, with q - zero in place
 * of q. In static memory. */
struct operands {
    double x[MAX_M][MAX_K], w[MAX_N][MAX_K];
    double x_scale[MAX_M], w_scale[MAX_N];
};

static double bf16_value(float x)
{
    uint32_t bits = (uint32_t)kern_bf16(x) << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static void quantised_row(double *x, double *scale, const float *from, int k)
{
    float low = 0, high = 0, factor;
    for (int i = 0; i < k; i++) {
        low = fmaxf(low, -from[i]);
        high = fmaxf(high, from[i]);
    }
    struct row_scale row = kern_row_scale(low, high, true, &factor);
    for (int i = 0; i < k; i++) {
        long q = lrintf(from[i] * factor) + row.zero;
        x[i] = (double)((q < 0 ? 0 : q > 255 ? 255 : q) - row.zero);
    }
    *scale = (double)row.scale;
}

static void quantised_weights(double *w, double *scale, const float *from, int k)
{
    int8_t q[MAX_K];
    *scale = (double)kern_quantise(q, from, k);
    for (int i = 0; i < k; i++)
        w[i] = q[i];
}

static void copy_row(double *to, double *scale, const float *from, int k, enum precision precision)
{
    for (int i = 0; i < k; i++)
        to[i] = precision == PRECISION_FP32 ? (double)from[i] : bf16_value(from[i]);
    *scale = 1;
}

static const struct operands *operands_of(const struct product *p)
{
    static struct operands o;
    bool quantised = p->precision == PRECISION_INT8;
    for (int r = 0; r < p->m; r++) {
        const float *row = p->x + (size_t)r * p->x_stride;
        if (quantised)
            quantised_row(o.x[r], &o.x_scale[r], row, p->k);
        else
            copy_row(o.x[r], &o.x_scale[r], row, p->k, p->precision);
    }
    for (int n = 0; n < p->n; n++) {
        const float *row = p->w + (size_t)n * (size_t)p->k;
        if (quantised)
            quantised_weights(o.w[n], &o.w_scale[n], row, p->k);
        else
            copy_row(o.w[n], &o.w_scale[n], row, p->k, p->precision);
    }
    return &o;
}

/* One output in double. *bound: the rounding errors of a float sum over k in any order (Higham, 3.5: k u sum
 * |x w|), or of a whole number's conversion and two scalings; passed on by the activation, whose slope is at
 * most 1.13, and of what follows. */
static double exact_output(const struct product *p, const struct operands *o, int row, int column,
                           double *bound)
{
    double sum = 0, magnitude = 0;
    for (int i = 0; i < p->k; i++) {
        double term = o->x[row][i] * o->w[column][i];
        sum += term;
        magnitude += fabs(term);
    }
    sum *= o->x_scale[row] * o->w_scale[column];
    double rounding = p->precision == PRECISION_INT8 ? 4 * fabs(sum) : (p->k + 1) * magnitude;
    sum += (double)p->bias[column];
    double activated = activation_exact(sum, p->activation);
    double residual = (double)p->residual[(size_t)row * p->residual_stride + (size_t)column];
    *bound = 1.13 * 0x1p-24 * (rounding + fabs(sum)) +
             activation_bound(p->precision, p->activation) * fmax(1, fabs(sum)) +
             0x1p-24 * fabs(activated + residual);
    return activated + residual;
}

/* The reference is slow and splits nothing: the smaller shapes tell enough of it. */
static int shapes_for(const struct path *path, int count, int few)
{
    return path->below ? entries(count, few) : few;
}

static void begin(const struct path *path, enum precision precision, const char *sentence)
{
    char kernel[32];
    snprintf(kernel, sizeof kernel, "gemm %s", precision_name(precision));
    check_begin(kernel, path, sentence);
}

/* All outputs of small products, and about a thousand of large ones, spread over rows and columns alike. */
static void compare_with_exact(const struct product *p, const float *y)
{
    const struct operands *o = operands_of(p);
    int step = p->m * p->n > 1000 ? p->m * p->n / 1000 * 2 + 1 : 1;
    for (int i = 0; i < p->m * p->n; i += step) {
        int row = i / p->n, column = i % p->n;
        double bound, exact = exact_output(p, o, row, column, &bound);
        double got = (double)y[(size_t)row * p->y_stride + (size_t)column];
        if (!(fabs(got - exact) <= bound)) {
            check_fail("m %d n %d k %d %s: y[%d][%d] is %.9g, exactly %.9g, bound %.2g", p->m, p->n, p->k,
                       activation_name(p->activation), row, column, got, exact, bound);
            return;
        }
    }
}

static void results_are_within_the_rounding_bound_of_exact_sums(const struct path *path,
                                                                enum precision precision)
{
    begin(path, precision, "results_are_within_the_rounding_bound_of_exact_sums");
    for (int a = 0; a < shapes_for(path, OUTPUTS, 10); a++)
        for (int b = 0; b < shapes_for(path, DEPTHS, 4); b++)
            for (int c = 0; c < shapes_for(path, HEIGHTS, 13); c++) {
                struct product p;
                new_product(&p, path, precision, heights[c], outputs[a], depths[b],
                            (enum activation)((a + b + c) % 6));
                float *y = multiply(&p, p.m, SLOT_Y);
                compare_with_exact(&p, y);
                if (!guards_intact() || !gaps_intact(y, (size_t)p.m, (size_t)p.n, p.y_stride))
                    check_fail("m %d n %d k %d: wrote outside y", p.m, p.n, p.k);
            }
    check_end();
}

static void a_row_has_the_same_bits_with_any_number_of_rows(const struct path *path, enum precision precision)
{
    begin(path, precision, "a_row_has_the_same_bits_with_any_number_of_rows");
    for (int a = 0; a < shapes_for(path, OUTPUTS, 10); a++)
        for (int b = 0; b < shapes_for(path, DEPTHS, 4); b++) {
            struct product p;
            int most = shapes_for(path, MAX_M, 13);
            new_product(&p, path, precision, most, outputs[a], depths[b], ACT_GELU_ERF);
            const float *all = multiply(&p, most, SLOT_OTHER);
            for (int c = 0; c < shapes_for(path, HEIGHTS, 13); c++) {
                int m = heights[c];
                const float *y = multiply(&p, m, SLOT_Y);
                if (!same_bits(y, all, y_size(&p, m)))
                    check_fail("n %d k %d: %d rows alone differ from the same rows among %d", p.n, p.k, m,
                               most);
            }
        }
    check_end();
}

static void panels_computed_apart_have_the_same_bits(const struct path *path, enum precision precision)
{
    begin(path, precision, "panels_computed_apart_have_the_same_bits_and_write_only_their_columns");
    for (int a = 0; a < shapes_for(path, OUTPUTS, 10); a++) {
        struct product p;
        new_product(&p, path, precision, 13, outputs[a], 64, ACT_SILU);
        const float *all = multiply(&p, p.m, SLOT_OTHER);
        float *y = guard_floats(SLOT_Y, y_size(&p, p.m));
        struct gemm g = gemm_of(&p, y, p.m);
        for (int panel = p.packed.panel_count - 1; panel >= 0; panel--) {
            path->kernels->gemm[precision](&g, &p.packed, panel, panel + 1);
            if (panel > 0 && !isnan(y[(size_t)(panel * p.packed.panel - 1)]))
                check_fail("n %d: panel %d wrote left of its columns", p.n, panel);
        }
        if (!same_bits(y, all, y_size(&p, p.m)))
            check_fail("n %d: panels one by one differ from all at once", p.n);
    }
    check_end();
}

/* A view of three panels, or of as many as are left, with bias, residual and y of its columns. */
static void panels_as_a_matrix_of_their_own_have_the_same_bits(const struct path *path,
                                                               enum precision precision)
{
    begin(path, precision, "panels_as_a_matrix_of_their_own_have_the_same_bits");
    for (int a = 0; a < shapes_for(path, OUTPUTS, 10); a++) {
        struct product p;
        new_product(&p, path, precision, 13, outputs[a], 64, ACT_SILU);
        const float *all = multiply(&p, p.m, SLOT_OTHER);
        float *y = guard_floats(SLOT_Y, y_size(&p, p.m));
        for (int panel = 0; panel < p.packed.panel_count; panel += 3) {
            int end = panel + 3 < p.packed.panel_count ? panel + 3 : p.packed.panel_count;
            int first = panel * p.packed.panel;
            const struct packed view = kern_packed_panels(path->kernels, &p.packed, panel, end);
            struct gemm g = gemm_of(&p, y + first, p.m);
            g.bias += first;
            g.residual += first;
            path->kernels->gemm[precision](&g, &view, 0, view.panel_count);
            if (view.n != (end == p.packed.panel_count ? p.n : end * p.packed.panel) - first)
                check_fail("n %d: panels %d to %d have %d columns", p.n, panel, end, view.n);
        }
        if (!same_bits(y, all, y_size(&p, p.m)))
            check_fail("n %d: panels in threes differ from all at once", p.n);
    }
    check_end();
}

static void bias_and_residual_may_be_absent_and_y_may_be_the_residual(const struct path *path,
                                                                      enum precision precision)
{
    begin(path, precision, "bias_and_residual_may_be_absent_and_y_may_be_the_residual");
    struct product p;
    new_product(&p, path, precision, 13, 65, 64, ACT_NONE);
    float *plain = guard_floats(SLOT_OTHER, y_size(&p, p.m)), *y = guard_floats(SLOT_Y, y_size(&p, p.m));
    struct gemm g = gemm_of(&p, plain, p.m);
    g.bias = g.residual = NULL;
    path->kernels->gemm[precision](&g, &p.packed, 0, p.packed.panel_count);
    random_fill(y, (size_t)p.m, (size_t)p.n, p.y_stride, 1.0f);
    float first = y[0], last = y[y_size(&p, p.m) - 1];
    g.y = y;
    g.residual = y;
    g.residual_stride = p.y_stride;
    path->kernels->gemm[precision](&g, &p.packed, 0, p.packed.panel_count);
    if (y[0] != plain[0] + first || y[y_size(&p, p.m) - 1] != plain[y_size(&p, p.m) - 1] + last)
        check_fail("y is not the product plus what y held");
    check_end();
}

static void a_gate_multiplies_the_activation_and_may_be_y(const struct path *path, enum precision precision)
{
    begin(path, precision, "a_gate_multiplies_the_activation_and_may_be_y");
    for (int a = 0; a < 6; a++)
        for (int in_place = 0; in_place < 2; in_place++) {
            struct product p;
            new_product(&p, path, precision, 13, 65, 64, (enum activation)a);
            size_t size = y_size(&p, p.m);
            float *plain = guard_floats(SLOT_OTHER, size), *y = guard_floats(SLOT_Y, size);
            static float gate[MAX_M * (65 + GAP)];
            struct gemm g = gemm_of(&p, plain, p.m);
            g.residual = NULL;
            path->kernels->gemm[precision](&g, &p.packed, 0, p.packed.panel_count);
            random_fill(y, (size_t)p.m, (size_t)p.n, p.y_stride, 2.0f);
            for (int i = 0; i < p.m * p.n; i++) {
                size_t at = (size_t)(i / p.n) * p.y_stride + (size_t)(i % p.n);
                gate[at] = y[at];
            }
            g.y = y;
            g.gate = in_place ? y : gate;
            g.gate_stride = p.y_stride;
            path->kernels->gemm[precision](&g, &p.packed, 0, p.packed.panel_count);
            for (int i = 0; i < p.m * p.n; i++) {
                size_t at = (size_t)(i / p.n) * p.y_stride + (size_t)(i % p.n);
                if (y[at] != plain[at] * gate[at])
                    check_fail("%s: y[%d][%d] is %.9g, not %.9g times %.9g", activation_name(p.activation),
                               i / p.n, i % p.n, (double)y[at], (double)plain[at], (double)gate[at]);
            }
        }
    check_end();
}

/* At int8 an infinity is a NaN: it has no quantised form. */
static void nan_and_infinity_reach_their_row_and_no_other(const struct path *path, enum precision precision)
{
    begin(path, precision, "nan_and_infinity_reach_their_row_and_no_other");
    for (int a = 0; a < 6; a++)
        for (int row = 0; row < 13; row++)
            for (int infinite = 0; infinite < 2; infinite++) {
                struct product p;
                make_product(&p, path, precision, 13, 65, 64, (enum activation)a);
                p.x[(size_t)row * p.x_stride + 63] = infinite ? INFINITY : NAN;
                p.residual = NULL;
                for (size_t i = 0; i < 65; i++)
                    p.w[i * 64 + 63] = 0.25f;
                prepare_product(&p);
                const float *y = multiply(&p, p.m, SLOT_Y);
                for (int i = 0; i < 13 * 65; i++) {
                    float got = y[(size_t)(i / 65) * p.y_stride + (size_t)(i % 65)];
                    bool right = i / 65 != row ? isfinite(got)
                                 : infinite && precision != PRECISION_INT8
                                     ? got == (a == ACT_TANH ? 1 : INFINITY)
                                     : isnan(got);
                    if (!right)
                        check_fail("%s: y[%d][%d] is %g with %s in row %d", activation_name(p.activation),
                                   i / 65, i % 65, (double)got, infinite ? "inf" : "NaN", row);
                }
            }
    check_end();
}

/* All but the activation is computed alike, step by step. */
static void int8_outputs_have_the_bits_of_the_reference(const struct path *path)
{
    check_begin("gemm int8", path, "outputs_without_activation_have_the_bits_of_the_reference");
    struct kernels reference = {0};
    kern_fill_ref(&reference);
    const struct path plain = {"ref", &reference, NULL};
    for (int a = 0; a < shapes_for(path, OUTPUTS, 10); a++)
        for (int b = 0; b < shapes_for(path, DEPTHS, 4); b++) {
            struct product p;
            new_product(&p, &plain, PRECISION_INT8, 13, outputs[a], depths[b], ACT_NONE);
            float *want = multiply(&p, p.m, SLOT_OTHER);
            new_product(&p, path, PRECISION_INT8, 13, outputs[a], depths[b], ACT_NONE);
            if (!same_bits(multiply(&p, p.m, SLOT_Y), want, y_size(&p, p.m)))
                check_fail("n %d k %d: outputs differ from the reference's", p.n, p.k);
        }
    check_end();
}

void check_gemm(const struct path *path)
{
    for (int i = 0; i < PRECISION_COUNT; i++) {
        enum precision precision = (enum precision)i;
        if (!adds_gemm(path, precision))
            continue;
        results_are_within_the_rounding_bound_of_exact_sums(path, precision);
        a_row_has_the_same_bits_with_any_number_of_rows(path, precision);
        panels_computed_apart_have_the_same_bits(path, precision);
        panels_as_a_matrix_of_their_own_have_the_same_bits(path, precision);
        bias_and_residual_may_be_absent_and_y_may_be_the_residual(path, precision);
        a_gate_multiplies_the_activation_and_may_be_y(path, precision);
        nan_and_infinity_reach_their_row_and_no_other(path, precision);
    }
    if (adds_gemm(path, PRECISION_INT8))
        int8_outputs_have_the_bits_of_the_reference(path);
}
