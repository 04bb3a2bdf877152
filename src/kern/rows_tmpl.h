/* Softmax, layer norm, rotation and widening. Included once by each instruction-set file, after
 * softmax_tmpl.h. */
#include <string.h>

static void softmax(float *x, int n)
{
    scale_row(x, x, n, 1.0f / exp_row(x, n));
}

static void rotate(float *x, int heads, int head_size, const float *turn)
{
    int half = head_size / 2;
    for (int head = 0; head < heads; head++, x += head_size)
        for (int i = 0; i < half; i += LANES) {
            vec first = vec_load_first(x + i, half - i), second = vec_load_first(x + half + i, half - i);
            vec cosine = vec_load_first(turn + i, half - i), sine = vec_load_first(turn + half + i, half - i);
            vec_store_first(x + i, vec_sub(vec_mul(first, cosine), vec_mul(second, sine)), half - i);
            vec_store_first(x + half + i, vec_add(vec_mul(second, cosine), vec_mul(first, sine)), half - i);
        }
}

/* A row's sums go into so many accumulators in turn, so that an addition need not wait for the last. */
enum { ROW_SUMS = 4 };

ALWAYS_INLINE float sum_of_sums(const vec sums[ROW_SUMS])
{
    return vec_sum(vec_add(vec_add(sums[0], sums[1]), vec_add(sums[2], sums[3])));
}

static float row_mean(const float *x, int n)
{
    vec zero = vec_set1(0.0f), sums[ROW_SUMS] = {zero, zero, zero, zero};
    int i = 0;
    for (; i + ROW_SUMS * LANES <= n; i += ROW_SUMS * LANES) {
        UNROLL
        for (int s = 0; s < ROW_SUMS; s++)
            sums[s] = vec_add(sums[s], vec_load(x + i + s * LANES));
    }
    UNROLL
    for (int s = 0; s < ROW_SUMS; s++, i += LANES)
        if (i < n)
            sums[s] = vec_add(sums[s], vec_load_first(x + i, n - i));
    return sum_of_sums(sums) / (float)n;
}

static float row_variance(const float *x, int n, float mean)
{
    vec zero = vec_set1(0.0f), sums[ROW_SUMS] = {zero, zero, zero, zero}, center = vec_set1(mean);
    int i = 0;
    for (; i + ROW_SUMS * LANES <= n; i += ROW_SUMS * LANES) {
        UNROLL
        for (int s = 0; s < ROW_SUMS; s++) {
            vec d = vec_sub(vec_load(x + i + s * LANES), center);
            sums[s] = vec_fma(d, d, sums[s]);
        }
    }
    UNROLL
    for (int s = 0; s < ROW_SUMS; s++, i += LANES)
        if (i < n) {
            vec d = vec_select_first(vec_sub(vec_load_first(x + i, n - i), center), zero, n - i);
            sums[s] = vec_fma(d, d, sums[s]);
        }
    return sum_of_sums(sums) / (float)n;
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

static void widen_int8(float *y, const int8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
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
    case DTYPE_I8:
        widen_int8(y, x, n);
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
    case DTYPE_I8:
        break; /* no table of embeddings is stored so (kern.h) */
    }
}
