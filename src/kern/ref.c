/* The plain C that defines what is right, and what runs where no other path does.
 *
 * Sums that the other paths may order their own way (means, variances, softmax) are taken in double here. */
#include <math.h>
#include <string.h>

#include "kern/paths.h"

enum { PANEL = 16 };

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

/* sums[PANEL] = x[k] b[k][PANEL] */
static void row_product(float *sums, const float *x, const float *b, int k)
{
    for (int j = 0; j < PANEL; j++)
        sums[j] = 0.0f;
    for (int i = 0; i < k; i++, b += PANEL)
        for (int j = 0; j < PANEL; j++)
            sums[j] += x[i] * b[j];
}

static void gemm_f32(const struct gemm_f32 *g, const struct packed_f32 *w, int panel_begin, int panel_end)
{
    for (int panel = panel_begin; panel < panel_end; panel++)
        for (int row = 0; row < g->m; row++) {
            float sums[PANEL];
            size_t line = (size_t)row;
            row_product(sums, g->x + line * g->x_stride, w->data + (size_t)panel * (size_t)w->k * PANEL,
                        w->k);
            for (int n = panel * PANEL; n < w->n && n < (panel + 1) * PANEL; n++) {
                float value = activate(sums[n % PANEL] + (g->bias ? g->bias[n] : 0.0f), g->activation);
                if (g->residual)
                    value += g->residual[line * g->residual_stride + (size_t)n];
                g->y[line * g->y_stride + (size_t)n] = value;
            }
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

static void attend_row(const struct attention_f32 *a, size_t row, float *scores)
{
    const float *q = a->q + row * a->qkv_stride;
    float *out = a->out + row * a->out_stride;
    for (int j = 0; j < a->length; j++) {
        const float *k = a->k + (size_t)j * a->qkv_stride;
        float sum = 0.0f;
        for (int i = 0; i < a->head_size; i++)
            sum += q[i] * k[i];
        scores[j] = sum * a->scale;
    }
    float sum = (float)exp_row(scores, a->length);
    for (int i = 0; i < a->head_size; i++)
        out[i] = 0.0f;
    for (int j = 0; j < a->length; j++) {
        const float *v = a->v + (size_t)j * a->qkv_stride;
        for (int i = 0; i < a->head_size; i++)
            out[i] += scores[j] * v[i];
    }
    for (int i = 0; i < a->head_size; i++)
        out[i] /= sum;
}

static void attention_f32(const struct attention_f32 *a, int row_begin, int row_end, float *scratch)
{
    for (int row = row_begin; row < row_end; row++)
        attend_row(a, (size_t)row, scratch);
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

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
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
    float value;
    uint16_t half;
    if (dtype == DTYPE_F32) {
        memcpy(&value, x, sizeof value);
        return value;
    }
    memcpy(&half, x, sizeof half);
    return dtype == DTYPE_F16 ? widen_f16(half) : float_of_bits((uint32_t)half << 16);
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

static void pack_f32(float *data, const void *w, enum dtype dtype, int n, int k, int panel_begin,
                     int panel_end)
{
    kern_pack(data, w, dtype, n, k, PANEL, panel_begin, panel_end, widen);
}

const struct kernels kern_ref = {
    .name = "ref",
    .panel = PANEL,
    .pack_f32 = pack_f32,
    .gemm_f32 = gemm_f32,
    .attention_f32 = attention_f32,
    .layer_norm = layer_norm,
    .softmax = softmax,
    .widen = widen,
    .add_widened = add_widened,
};
