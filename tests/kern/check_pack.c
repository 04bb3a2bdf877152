/* kern_pack() and kern_quantise(): what the panels hold, in each precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const int outputs[] = {1, 3, 16, 17, 63, 64, 65, 312, 768};
static const int depths[] = {1, 2, 3, 7, 64, 65, 384, 1537};
enum { OUTPUTS = 9, DEPTHS = 8, MAX_K = 1537 };

static void begin(const struct path *path, enum precision precision, const char *sentence)
{
    char kernel[32];
    snprintf(kernel, sizeof kernel, "pack %s", precision_name(precision));
    check_begin(kernel, path, sentence);
}

static struct packed pack(const struct path *path, enum precision precision, int n, int k,
                          const struct stored_weights *from)
{
    size_t size = kern_packed_size(path->kernels, precision, n, k);
    void *memory = guard_floats_aligned(SLOT_PACKED, size / sizeof(float));
    struct packed w = kern_packed_place(path->kernels, precision, n, k, memory);
    for (int panel = 0; panel < w.panel_count; panel++)
        kern_pack(path->kernels, &w, from, panel, panel + 1);
    return w;
}

/* Elements of a word, and its bytes. */
static int group_of(const struct path *path, enum precision precision)
{
    return precision == PRECISION_INT8 ? path->kernels->int8_group : precision == PRECISION_BF16 ? 2 : 1;
}

static int element_size(enum precision precision)
{
    return precision == PRECISION_INT8 ? 1 : precision == PRECISION_BF16 ? 2 : 4;
}

/* Element i, padding included, of output `output`, padding included. */
static double packed_element(const struct path *path, const struct packed *w, int output, int i)
{
    int group = group_of(path, w->precision), size = element_size(w->precision);
    int words = (w->k + group - 1) / group, panel = output / w->panel;
    size_t word = ((size_t)panel * (size_t)words + (size_t)(i / group)) * (size_t)w->panel +
                  (size_t)(output % w->panel);
    const unsigned char *at = w->data + (word * (size_t)group + (size_t)(i % group)) * (size_t)size;
    float value;
    uint16_t half;
    uint32_t bits;
    if (w->precision == PRECISION_INT8)
        return (int8_t)*at;
    if (w->precision == PRECISION_FP32) {
        memcpy(&value, at, sizeof value);
        return (double)value;
    }
    memcpy(&half, at, sizeof half);
    bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double bf16_value(float x)
{
    uint32_t bits = (uint32_t)kern_bf16(x) << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* What element i of a row of w should be in the panel; q: the row quantised. */
static double wanted_element(enum precision precision, const float *row, const int8_t *q, int i)
{
    if (precision == PRECISION_INT8)
        return q[i];
    return precision == PRECISION_BF16 ? bf16_value(row[i]) : (double)row[i];
}

static void compare_row(const struct path *path, const struct packed *w, const float *row, int output)
{
    int8_t q[MAX_K];
    int group = group_of(path, w->precision), padded = (w->k + group - 1) / group * group;
    bool real = output < w->n;
    float scale = real ? kern_quantise(q, row, w->k) : 0.0f;
    int32_t sum = 0;
    for (int i = 0; i < padded; i++) {
        double want = real && i < w->k ? wanted_element(w->precision, row, q, i) : 0;
        double got = packed_element(path, w, output, i);
        sum += w->precision == PRECISION_INT8 ? (int32_t)got : 0;
        if (got != want)
            check_fail("n %d k %d: w[%d][%d] is %g, not %g", w->n, w->k, output, i, got, want);
    }
    if (w->precision == PRECISION_INT8 &&
        (!same_bits(&w->scales[output], &scale, 1) || w->sums[output] != sum))
        check_fail("n %d k %d: output %d has scale %g and sum %d, not %g and %d", w->n, w->k, output,
                   (double)w->scales[output], (int)w->sums[output], (double)scale, (int)sum);
}

static void panels_hold_the_weights_and_zeros_past_the_last(const struct path *path, enum precision precision)
{
    begin(path, precision, "panels_hold_the_weights_and_zeros_past_the_last_output_and_depth");
    for (int a = 0; a < entries(OUTPUTS, 7); a++)
        for (int b = 0; b < entries(DEPTHS, 6); b++) {
            int n = outputs[a], k = depths[b];
            random_seed((uint64_t)(n * 4096 + k));
            float *x = guard_floats(SLOT_W, (size_t)(n * k));
            random_fill(x, (size_t)n, (size_t)k, (size_t)k, 2.0f);
            struct packed w = pack(path, precision, n, k, &(struct stored_weights){x, DTYPE_F32, NULL});
            for (int output = 0; output < w.panel_count * w.panel; output++)
                compare_row(path, &w, x + (size_t)(output < n ? output : 0) * (size_t)k, output);
        }
    check_end();
}

static void halves_at_odd_addresses_pack_as_their_widened_values(const struct path *path,
                                                                 enum precision precision)
{
    begin(path, precision, "half_precision_weights_at_odd_addresses_pack_as_their_widened_values");
    enum { N = 65, K = 71 };
    for (int d = 0; d < 2; d++) {
        enum dtype dtype = d ? DTYPE_BF16 : DTYPE_F16;
        unsigned char *stored = guard_bytes(SLOT_OTHER, N * K * 2 + 1);
        for (int i = 0; i < N * K * 2 + 1; i++)
            stored[i] = (unsigned char)(i * 37 % 120);
        float *wide = guard_floats(SLOT_W, N * K);
        path->kernels->widen(wide, stored + 1, dtype, N * K);
        struct packed w = pack(path, precision, N, K, &(struct stored_weights){stored + 1, dtype, NULL});
        for (int output = 0; output < N; output++)
            compare_row(path, &w, wide + (size_t)output * K, output);
    }
    check_end();
}

static void stored_integers_keep_their_values_and_scales(const struct path *path, enum precision precision)
{
    begin(path, precision, "stored_integers_keep_their_values_and_scales");
    enum { N = 65, K = 71 };
    unsigned char *stored = guard_bytes(SLOT_OTHER, N * K);
    float *scales = guard_floats(SLOT_X, N);
    random_seed(1);
    random_fill(scales, 1, N, N, 0.1f);
    for (int i = 0; i < N * K; i++)
        stored[i] = (unsigned char)(i * 37 % 255 - 127);
    struct packed w = pack(path, precision, N, K, &(struct stored_weights){stored, DTYPE_I8, scales});
    for (int output = 0; output < N; output++)
        for (int i = 0; i < K; i++) {
            int8_t q = (int8_t)stored[output * K + i];
            float product = (float)q * scales[output];
            double want = precision == PRECISION_INT8   ? (double)q
                          : precision == PRECISION_BF16 ? bf16_value(product)
                                                        : (double)product;
            if (packed_element(path, &w, output, i) != want)
                check_fail("w[%d][%d] is %g, not %g", output, i, packed_element(path, &w, output, i), want);
            if (precision == PRECISION_INT8 && !same_bits(&w.scales[output], &scales[output], 1))
                check_fail("output %d has scale %g, not %g", output, (double)w.scales[output],
                           (double)scales[output]);
        }
    check_end();
}

static void a_row_is_quantised_to_the_nearest_of_254_steps(const struct path *path)
{
    check_begin("quantise", path, "a_row_is_quantised_to_the_nearest_of_254_steps_and_keeps_its_extremes");
    for (int b = 0; b < DEPTHS; b++)
        for (int magnitude = -30; magnitude <= 30; magnitude += 10) {
            int8_t q[MAX_K];
            int k = depths[b];
            random_seed((uint64_t)k);
            float *x = guard_floats(SLOT_X, (size_t)k);
            random_fill(x, 1, (size_t)k, (size_t)k, ldexpf(1.0f, magnitude));
            float scale = kern_quantise(q, x, k);
            int extreme = 0;
            for (int i = 0; i < k; i++) {
                extreme = abs(q[i]) > extreme ? abs(q[i]) : extreme;
                if (fabs((double)x[i] / (double)scale - q[i]) > 0.5 + 1e-4)
                    check_fail("k %d: %g with scale %g became %d", k, (double)x[i], (double)scale, q[i]);
            }
            if (extreme != 127)
                check_fail("k %d: the greatest is %d, not 127", k, extreme);
        }
    check_end();
}

static void rows_without_finite_scale_are_flagged(const struct path *path)
{
    check_begin("quantise", path, "zeros_and_subnormals_have_scale_0_and_what_is_not_finite_nan");
    static const struct {
        float value, scale;
    } cases[] = {{0.0f, 0.0f}, {-0.0f, 0.0f}, {1e-40f, 0.0f}, {NAN, NAN}, {INFINITY, NAN}, {-INFINITY, NAN}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        float x[5] = {0, 0, cases[c].value, 0, 0};
        int8_t q[5];
        float scale = kern_quantise(q, x, 5);
        if (isnan(cases[c].scale) ? !isnan(scale) : scale != cases[c].scale)
            check_fail("a row with %g has scale %g", (double)cases[c].value, (double)scale);
        for (int i = 0; i < 5; i++)
            if (q[i] != 0)
                check_fail("a row with %g has q[%d] = %d", (double)cases[c].value, i, q[i]);
    }
    check_end();
}

void check_pack(const struct path *path)
{
    for (int i = 0; i < PRECISION_COUNT; i++) {
        enum precision precision = (enum precision)i;
        if (!adds_gemm(path, precision))
            continue;
        panels_hold_the_weights_and_zeros_past_the_last(path, precision);
        halves_at_odd_addresses_pack_as_their_widened_values(path, precision);
        stored_integers_keep_their_values_and_scales(path, precision);
    }
    if (path->below)
        return;
    a_row_is_quantised_to_the_nearest_of_254_steps(path);
    rows_without_finite_scale_are_flagged(path);
}
