/* The kernels: everything that is computed per element, in one table of functions.
 *
 * kern_select() fills the table with ref.c (plain C, which defines what is right), then overwrites entries
 * upward with what the processor has, up to a cap. Every path gives results within a stated bound of ref.c
 * (tests/kern/checkkern).
 *
 * Rules of every kernel:
 * - Row-major float32 unless said; a "stride" counts elements from one row to the next. Any alignment and any
 *   size >= 1; nothing is read or written outside the stated shapes.
 * - Deterministic, and an output element depends only on its own inputs: how many rows, columns or items are
 *   computed in one call, and by how many threads, never changes a bit of it. Sums over k go up with k into
 *   one accumulator an output; sums along a row use a fixed order that depends on the row's length alone.
 * - NaN in, NaN out; infinities follow IEEE 754.
 * - No memory is allocated, no state is kept. Any thread.
 */
#ifndef LINNET_KERN_KERN_H
#define LINNET_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* How a tensor is stored. */
enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };

size_t dtype_size(enum dtype dtype);
const char *dtype_name(enum dtype dtype); /* safetensors' names: "F32", "F16", "BF16" */

/* GELU-erf is x/2 (1 + erf(x / sqrt 2)); GELU-tanh is the tanh form of Hendrycks & Gimpel. Never one for the
 * other. All are within 1.2e-7 of exact, relative to max(1, |x|). As in PyTorch, GELU and SiLU of -inf are
 * NaN, for the formulas multiply it by zero: a sum that overflowed is reported, not hidden. */
enum activation { ACT_NONE, ACT_GELU_ERF, ACT_GELU_TANH, ACT_RELU, ACT_SILU, ACT_TANH };

/* A weight matrix w[n][k] (n outputs, as PyTorch stores a Linear) packed for one table's GEMM: panels of
 * `panel` output columns, [panel_count][k][panel], zero-filled past n. Its layout belongs to the table that
 * packed it. */
struct packed_f32 {
    int n, k, panel, panel_count;
    const float *data; /* 64-byte aligned; owned by whoever allocated it */
};

/* Rows of x to multiply and what to do with each product. */
struct gemm_f32 {
    const float *x; /* [m][k], x_stride */
    size_t x_stride;
    float *y; /* [m][n], y_stride; may be neither x nor residual unless it is exactly residual */
    size_t y_stride;
    const float *bias;     /* [n] or NULL */
    const float *residual; /* [m][n], residual_stride, or NULL: added after the activation */
    size_t residual_stride;
    int m;
    enum activation activation;
};

/* Attention of one item of `length` tokens for one head: out = softmax(q k^T * scale) v, rows
 * row_begin..row_end of it. The softmax is max-subtracted; no mask, for an item has no padding. */
struct attention_f32 {
    const float *q, *k, *v; /* [length][head_size], all with qkv_stride */
    size_t qkv_stride;
    float *out; /* [length][head_size], out_stride */
    size_t out_stride;
    int length, head_size;
    float scale;
};

struct kernels {
    const char *name; /* of the highest path in the table: "ref", "avx2", "avx512" */

    /* Panels: `panel` columns wide. pack_f32() converts w[n][k] of any dtype (k contiguous, little-endian,
     * any alignment) for panels panel_begin..panel_end into data (laid out as in struct packed_f32). */
    int panel;
    void (*pack_f32)(float *data, const void *w, enum dtype dtype, int n, int k, int panel_begin,
                     int panel_end);

    /* y = activation(x w^T + bias) + residual, for the columns of panels panel_begin..panel_end. */
    void (*gemm_f32)(const struct gemm_f32 *g, const struct packed_f32 *w, int panel_begin, int panel_end);

    /* Rows row_begin..row_end of one head. `scratch`: kern_attention_scratch() floats, 64-byte aligned. */
    void (*attention_f32)(const struct attention_f32 *a, int row_begin, int row_end, float *scratch);

    /* y[r] = (x[r] - mean) / sqrt(var + eps) * gamma + beta over n columns; y may be x. Two passes,
     * population variance. */
    void (*layer_norm)(float *y, const float *x, size_t stride, int rows, int n, const float *gamma,
                       const float *beta, float eps);

    /* x[0..n) = softmax(x), max-subtracted. */
    void (*softmax)(float *x, int n);

    /* y[0..n) = x[0..n) widened exactly to float32. */
    void (*widen)(float *y, const void *x, enum dtype dtype, size_t n);

    /* y[0..n) += x[0..n) widened. */
    void (*add_widened)(float *y, const void *x, enum dtype dtype, size_t n);
};

/* Floats of scratch that attention_f32() needs for items of up to `length` tokens, on every path. */
size_t kern_attention_scratch(int length, int head_size);

/* Floats of data for w[n][k] with this table's panels. */
size_t kern_packed_size(const struct kernels *kernels, int n, int k);

/* The table for this processor, at most `cap` ("ref", "avx2", "avx512"; NULL: no cap). An unknown name is
 * ERR_USAGE and lists the names; a path this processor lacks is refused by name, never replaced by a lesser
 * one in silence. The table is static and never changes. */
const struct kernels *kern_select(const char *cap, struct error *err);

/* All paths in rising order with whether this processor can run them, for tests and `linnet info`. NULL past
 * the end. */
const struct kernels *kern_path(int index, bool *available);

#endif
