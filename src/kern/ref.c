/* The plain C that defines what is right, and what runs where no other path does.
 *
 * Sums that the other paths may order their own way (means, variances, softmax) are taken in double here. */
#include <math.h>
#include <string.h>

#include "kern/paths.h"

enum { PANEL = 16, INT8_GROUP = 4 };

/* max(x, 0), and NaN for NaN. */
static float relu(float x)
{
    return x < 0.0f ? 0.0f : x;
}

/* max(x, 0), but NaN for -inf: there the formulas of GELU and SiLU multiply infinity by zero. */
static float positive_part(float x)
{
    return x == -INFINITY ? NAN : relu(x);
}

static float cut(float magnitude, float limit)
{
    return magnitude > limit ? limit : magnitude;
}

/* The sigmoid forms as max(x, 0) - |x| s(-u): x s(u) for u of x's sign. */
static float gated(float x, float magnitude, float u)
{
    float e = expf(-u);
    return positive_part(x) - magnitude * (e / (1.0f + e));
}

static float gelu_erf(float x)
{
    float a = cut(fabsf(x), GELU_ERF_CUT);
    return positive_part(x) - 0.5f * a * erfcf(a * 0.70710678f);
}

static float gelu_tanh(float x)
{
    float a = cut(fabsf(x), GELU_TANH_CUT);
    return gated(x, a, 1.5957691f * a * (1.0f + 0.044715f * a * a)); /* 2 sqrt(2 / pi) */
}

static float silu(float x)
{
    float a = cut(fabsf(x), SILU_CUT);
    return gated(x, a, a);
}

static float activate(float x, enum activation activation)
{
    switch (activation) {
    case ACT_NONE:
        return x;
    case ACT_GELU_ERF:
        return gelu_erf(x);
    case ACT_GELU_TANH:
        return gelu_tanh(x);
    case ACT_RELU:
        return relu(x);
    case ACT_SILU:
        return silu(x);
    case ACT_TANH:
        return tanhf(x);
    }
    return x;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_at(const unsigned char *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static float bf16_at(const unsigned char *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return float_of_bits((uint32_t)half << 16);
}

/* One row of x with the columns of one panel, k ascending; b: the panel. */
static void row_fp32(float sums[PANEL], const unsigned char *x, const unsigned char *b, int k)
{
    for (int i = 0; i < k; i++, x += 4, b += 4 * PANEL) {
        float value = float_at(x);
        for (int j = 0; j < PANEL; j++)
            sums[j] += value * float_at(b + 4 * j);
    }
}

static void row_bf16(float sums[PANEL], const unsigned char *x, const unsigned char *b, int k)
{
    for (int i = 0; i < k; i++, x += 2) {
        const unsigned char *word = b + i / 2 * 4 * PANEL + i % 2 * 2;
        float value = bf16_at(x);
        for (int j = 0; j < PANEL; j++)
            sums[j] += value * bf16_at(word + 4 * j);
    }
}

static void row_int8(float sums[PANEL], const unsigned char *x, struct row_scale scale, const float *scales,
                     const unsigned char *b, int k)
{
    int32_t whole[PANEL] = {0};
    for (int i = 0; i < k; i++) {
        const unsigned char *word = b + i / INT8_GROUP * 4 * PANEL + i % INT8_GROUP;
        int32_t value = x[i] - scale.zero;
        for (int j = 0; j < PANEL; j++)
            whole[j] += value * (int8_t)word[4 * j];
    }
    for (int j = 0; j < PANEL; j++)
        sums[j] = (float)whole[j] * (scale.scale * scales[j]);
}

static void row_product(float sums[PANEL], const struct gemm *g, const struct packed *w, int row, int panel)
{
    const unsigned char *x = (const unsigned char *)g->x + (size_t)row * g->x_stride;
    int group = w->precision == PRECISION_FP32 ? 1 : w->precision == PRECISION_BF16 ? 2 : INT8_GROUP;
    size_t words = (size_t)((w->k + group - 1) / group);
    const unsigned char *b = w->data + (size_t)panel * words * 4 * PANEL;
    for (int j = 0; j < PANEL; j++)
        sums[j] = 0.0f;
    if (w->precision == PRECISION_FP32)
        row_fp32(sums, x, b, w->k);
    else if (w->precision == PRECISION_BF16)
        row_bf16(sums, x, b, w->k);
    else
        row_int8(sums, x, g->scales[row], w->scales + panel * PANEL, b, w->k);
}

static void gemm(const struct gemm *g, const struct packed *w, int panel_begin, int panel_end)
{
    for (int panel = panel_begin; panel < panel_end; panel++)
        for (int row = 0; row < g->m; row++) {
            float sums[PANEL];
            size_t line = (size_t)row;
            row_product(sums, g, w, row, panel);
            for (int n = panel * PANEL; n < w->n && n < (panel + 1) * PANEL; n++) {
                float value = activate(sums[n % PANEL] + (g->bias ? g->bias[n] : 0.0f), g->activation);
                if (g->gate)
                    value *= g->gate[line * g->gate_stride + (size_t)n];
                if (g->residual)
                    value += g->residual[line * g->residual_stride + (size_t)n];
                g->y[line * g->y_stride + (size_t)n] = value;
            }
        }
}

static struct row_scale convert_row_int8(unsigned char *y, const float *x, int k)
{
    float low = 0, high = 0, factor;
    bool finite = true;
    for (int i = 0; i < k; i++) {
        low = -x[i] > low ? -x[i] : low;
        high = x[i] > high ? x[i] : high;
        finite = finite && isfinite(x[i]);
    }
    struct row_scale scale = kern_row_scale(low, high, finite, &factor);
    for (int i = 0; i < k; i++) {
        long q = factor > 0.0f ? lrintf(x[i] * factor) + scale.zero : scale.zero;
        y[i] = (unsigned char)(q < 0 ? 0 : q > 255 ? 255 : q);
    }
    return scale;
}

static void convert_int8(void *y, size_t y_stride, struct row_scale *scales, const float *x, size_t x_stride,
                         int rows, int k)
{
    for (int r = 0; r < rows; r++)
        scales[r] = convert_row_int8((unsigned char *)y + (size_t)r * y_stride, x + (size_t)r * x_stride, k);
}

static void convert_bf16(void *y, size_t y_stride, struct row_scale *scales, const float *x, size_t x_stride,
                         int rows, int k)
{
    (void)scales;
    for (int r = 0; r < rows; r++) {
        unsigned char *row = (unsigned char *)y + (size_t)r * y_stride;
        for (int i = 0; i < k; i++) {
            uint16_t half = kern_bf16(x[(size_t)r * x_stride + (size_t)i]);
            memcpy(row + i * 2, &half, sizeof half);
        }
        if (k % 2)
            memset(row + k * 2, 0, 2);
    }
}

/* x[0..n) = exp(x - max); returns their sum. */
static double exp_row(float *x, int n)
{
    float max = -INFINITY;
    double sum = 0;
    for (int i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        sum += x[i];
    }
    return sum;
}

static void softmax(float *x, int n)
{
    float sum = (float)exp_row(x, n);
    for (int i = 0; i < n; i++)
        x[i] /= sum;
}

static float dot(const float *x, const float *y, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* Of the query q at `position` and the key at j. */
static float score(const struct attention *a, const float *q, int position, int j)
{
    const float *k = a->k + (size_t)j * a->qkv_stride;
    const struct relative_scores *relative = a->relative;
    float sum = dot(q, k, a->head_size) * a->scale;
    if (relative) {
        size_t at = (size_t)relative->bucket[j - position] * relative->stride;
        if (relative->keys)
            sum += dot(q, relative->keys + at, a->head_size) * a->scale;
        if (relative->queries)
            sum += dot(k, relative->queries + at, a->head_size) * a->scale;
    }
    return a->bias ? sum + a->bias[j - position] : sum;
}

static void attend_row(const struct attention *a, size_t row, float *scores)
{
    const float *q = a->q + row * a->qkv_stride;
    float *out = a->out + row * a->out_stride;
    int position = a->positions ? a->positions[row] : (int)row;
    int begin = a->window && position > a->window ? position - a->window : 0;
    int end = a->window && position + a->window < a->length ? position + a->window + 1 : a->length;
    for (int j = begin; j < end; j++)
        scores[j - begin] = score(a, q, position, j);
    float sum = (float)exp_row(scores, end - begin);
    for (int i = 0; i < a->head_size; i++)
        out[i] = 0.0f;
    for (int j = begin; j < end; j++) {
        const float *v = a->v + (size_t)j * a->qkv_stride;
        for (int i = 0; i < a->head_size; i++)
            out[i] += scores[j - begin] * v[i];
    }
    for (int i = 0; i < a->head_size; i++)
        out[i] /= sum;
}

static void attention_f32(const struct attention *a, int row_begin, int row_end, float *scratch)
{
    for (int row = row_begin; row < row_end; row++)
        attend_row(a, (size_t)row, scratch);
}

static void rotate(float *x, int heads, int head_size, const float *turn)
{
    int half = head_size / 2;
    for (int head = 0; head < heads; head++, x += head_size)
        for (int i = 0; i < half; i++) {
            float first = x[i], second = x[half + i];
            x[i] = first * turn[i] - second * turn[half + i];
            x[half + i] = second * turn[i] + first * turn[half + i];
        }
}

static void layer_norm(float *y, const float *x, size_t stride, int rows, int n, const float *gamma,
                       const float *beta, float eps)
{
    for (int r = 0; r < rows; r++, x += stride, y += stride) {
        double sum = 0, squares = 0;
        for (int i = 0; i < n; i++)
            sum += x[i];
        double mean = sum / n;
        for (int i = 0; i < n; i++)
            squares += (x[i] - mean) * (x[i] - mean);
        double deviation = sqrt(squares / n + (double)eps);
        for (int i = 0; i < n; i++)
            y[i] = (float)((x[i] - mean) / deviation) * gamma[i] + beta[i];
    }
}

/* IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
static float widen_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) /* zero or subnormal: fraction units of 2^-24 */
        return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static float widen_one(const unsigned char *x, enum dtype dtype)
{
    uint16_t half;
    switch (dtype) {
    case DTYPE_F32:
        return float_at(x);
    case DTYPE_BF16:
        return bf16_at(x);
    case DTYPE_F16:
        memcpy(&half, x, sizeof half);
        return widen_f16(half);
    case DTYPE_I8:
        return (int8_t)*x;
    }
    return NAN;
}

static void widen(float *y, const void *x, enum dtype dtype, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = widen_one((const unsigned char *)x + i * dtype_size(dtype), dtype);
}

static void add_widened(float *y, const void *x, enum dtype dtype, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += widen_one((const unsigned char *)x + i * dtype_size(dtype), dtype);
}

void kern_fill_ref(struct kernels *table)
{
    *table = (struct kernels){
        .panel = PANEL,
        .int8_group = INT8_GROUP,
        .gemm = {gemm, gemm, gemm},
        .convert = {NULL, convert_bf16, convert_int8},
        .attention[PRECISION_FP32] = attention_f32,
        .rotate = rotate,
        .layer_norm = layer_norm,
        .softmax = softmax,
        .widen = widen,
        .add_widened = add_widened,
    };
}
