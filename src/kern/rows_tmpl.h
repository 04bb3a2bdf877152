/* Softmax, layer norm and widening. Included once by each instruction-set file, after math_tmpl.h.
 * A row's sum has one order that its length decides: lane by lane over its vectors, then over the lanes. */
#include <string.h>

/* x[0..n) = exp(x - max); returns their sum. A NaN or +inf anywhere makes the sum NaN. */
static float exp_row(float *x, int n)
{
    vec max = vec_set1(-INFINITY), sum = vec_set1(0.0f);
    for (int i = 0; i < n; i += LANES)
        max = vec_max(max, vec_select_first(vec_load_first(x + i, n - i), vec_set1(-INFINITY), n - i));
    max = vec_set1(vec_max_lane(max));
    for (int i = 0; i < n; i += LANES) {
        vec e = vec_exp(vec_sub(vec_load_first(x + i, n - i), max));
        sum = vec_add(sum, vec_select_first(e, vec_set1(0.0f), n - i));
        vec_store_first(x + i, e, n - i);
    }
    return vec_sum(sum);
}

/* y[0..n) = x[0..n) / divisor */
static void divide_row(float *y, const float *x, int n, float divisor)
{
    vec d = vec_set1(divisor);
    for (int i = 0; i < n; i += LANES)
        vec_store_first(y + i, vec_div(vec_load_first(x + i, n - i), d), n - i);
}

static void softmax(float *x, int n)
{
    divide_row(x, x, n, exp_row(x, n));
}

static float row_mean(const float *x, int n)
{
    vec sum = vec_set1(0.0f);
    for (int i = 0; i < n; i += LANES)
        sum = vec_add(sum, vec_load_first(x + i, n - i));
    return vec_sum(sum) / (float)n;
}

static float row_variance(const float *x, int n, float mean)
{
    vec sum = vec_set1(0.0f), center = vec_set1(mean);
    for (int i = 0; i < n; i += LANES) {
        vec d = vec_sub(vec_load_first(x + i, n - i), center);
        d = vec_select_first(d, vec_set1(0.0f), n - i);
        sum = vec_fma(d, d, sum);
    }
    return vec_sum(sum) / (float)n;
}

static void layer_norm(float *y, const float *x, size_t stride, int rows, int n, const float *gamma,
                       const float *beta, float eps)
{
    for (int r = 0; r < rows; r++, x += stride, y += stride) {
        float mean = row_mean(x, n);
        vec center = vec_set1(mean), scale = vec_set1(1.0f / sqrtf(row_variance(x, n, mean) + eps));
        for (int i = 0; i < n; i += LANES) {
            vec v = vec_mul(vec_sub(vec_load_first(x + i, n - i), center), scale);
            v = vec_fma(v, vec_load_first(gamma + i, n - i), vec_load_first(beta + i, n - i));
            vec_store_first(y + i, v, n - i);
        }
    }
}

/* The first `count` elements at x, widened; zero in the other lanes. */
ALWAYS_INLINE vec vec_load_widened(const unsigned char *x, enum dtype dtype, int count)
{
    uint16_t half[LANES] = {0};
    if (dtype == DTYPE_F32)
        return vec_load_first((const float *)(const void *)x, count);
    memcpy(half, x, sizeof *half * (size_t)(count < LANES ? count : LANES));
    return dtype == DTYPE_F16 ? vec_load_f16(half) : vec_load_bf16(half);
}

ALWAYS_INLINE void widen_as(enum dtype dtype, float *y, const unsigned char *x, size_t n, bool add)
{
    for (size_t i = 0; i < n; i += LANES) {
        int count = n - i < LANES ? (int)(n - i) : LANES;
        vec v = vec_load_widened(x + i * dtype_size(dtype), dtype, count);
        if (add)
            v = vec_add(vec_load_first(y + i, count), v);
        vec_store_first(y + i, v, count);
    }
}

static void widen(float *y, const void *x, enum dtype dtype, size_t n)
{
    switch (dtype) {
    case DTYPE_F32:
        widen_as(DTYPE_F32, y, x, n, false);
        break;
    case DTYPE_F16:
        widen_as(DTYPE_F16, y, x, n, false);
        break;
    case DTYPE_BF16:
        widen_as(DTYPE_BF16, y, x, n, false);
        break;
    }
}

static void add_widened(float *y, const void *x, enum dtype dtype, size_t n)
{
    switch (dtype) {
    case DTYPE_F32:
        widen_as(DTYPE_F32, y, x, n, true);
        break;
    case DTYPE_F16:
        widen_as(DTYPE_F16, y, x, n, true);
        break;
    case DTYPE_BF16:
        widen_as(DTYPE_BF16, y, x, n, true);
        break;
    }
}
