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

/* How a tensor is stored. An I8 tensor is read with one scale a row: w[n][k] = q[n][k] * scale[n]. */
enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8 };

size_t dtype_size(enum dtype dtype);
const char *dtype_name(enum dtype dtype); /* safetensors' names: "F32", "F16", "BF16", "I8" */

/* How a product is computed: with float32 operands; with operands rounded to bfloat16, summed in float32; or
 * with 8-bit operands, summed exactly in 32-bit integers. */
enum precision { PRECISION_FP32, PRECISION_BF16, PRECISION_INT8 };
enum { PRECISION_COUNT = 3 };

const char *precision_name(enum precision precision); /* "fp32", "bf16", "int8" */

/* GELU-erf is x/2 (1 + erf(x / sqrt 2)); GELU-tanh is the tanh form of Hendrycks & Gimpel. Never one for the
 * other. All are within 1.2e-7 of exact, relative to max(1, |x|); the GELUs of int8 and bf16 products, which
 * round their operands far more, within 1.2e-5. As in PyTorch, GELU and SiLU of -inf are NaN, for the
 * formulas multiply it by zero: a sum that overflowed is reported, not hidden. */
enum activation { ACT_NONE, ACT_GELU_ERF, ACT_GELU_TANH, ACT_RELU, ACT_SILU, ACT_TANH };

/* A weight matrix w[n][k] (n outputs, as PyTorch stores a Linear) packed for one table's product in one
 * precision: panels of the table's `panel` output columns, each [words][panel], zero-filled past n and k. A
 * word holds the elements that one step multiplies: 1 float, 2 bfloat16, or the table's `int8_group` bytes.
 * At int8, w[n][k] is about q[n][k] * scales[n] with -127 <= q <= 127. The layout belongs to the table that
 * packed it; data, scales and sums lie in memory of the caller's (kern_packed_size()). */
struct packed {
    enum precision precision;
    int n, k, panel, panel_count;
    unsigned char *data; /* 64-byte aligned */
    float *scales;       /* int8: [panel_count * panel] */
    int32_t *sums;       /* int8: [panel_count * panel], the sum over k of each column's q */
};

/* Where a weight matrix comes from: w[n][k], k contiguous, little-endian, of any alignment. */
struct stored_weights {
    const void *data;
    enum dtype dtype;
    const float *scales; /* [n], of DTYPE_I8 */
};

/* At int8 a row of x is q - zero times scale, 0 <= q <= 255. A row that holds a NaN or an infinity has a
 * scale of NaN, which makes NaN of each output it has a part in. */
struct row_scale {
    float scale;
    int32_t zero;
};

/* Rows of x to multiply and what to do with each product. */
struct gemm {
    const void *x;                  /* [m][k]: floats at fp32, else what convert() made of them */
    size_t x_stride;                /* bytes */
    const struct row_scale *scales; /* [m] at int8 */
    float *y; /* [m][n], y_stride; not x, and where it overlaps gate or residual, exactly that */
    size_t y_stride;
    const float *bias; /* [n] or NULL */
    const float *gate; /* [m][n], gate_stride, or NULL: multiplies the activation's result; may be y */
    size_t gate_stride;
    const float *residual; /* [m][n], residual_stride, or NULL: added last */
    size_t residual_stride;
    int m;
    enum activation activation;
};

/* Scores by the distance between a key and a query that depend on their contents (disentangled attention: He
 * et al. 2021). Distances share buckets; `bucket` points at distance 0 and never falls, nor rises by more
 * than one, from one distance to the next, over -(length - 1)..length - 1. */
struct relative_scores {
    const int *bucket;
    const float *keys;    /* [buckets][head_size], stride: scored by the query; or NULL */
    const float *queries; /* [buckets][head_size], stride: scored by the key; or NULL */
    size_t stride;
};

/* Attention of one item of `length` tokens for one head: out = softmax(scores) v, max-subtracted; no mask,
 * for an item has no padding. Of the query in row r, at position p, and the key at position j the score is
 *
 *   scale (q[r] k[j] + q[r] relative->keys[bucket[j - p]] + k[j] relative->queries[bucket[j - p]]) + bias[j -
 * p]
 *
 * with the terms that are given. */
struct attention {
    const float *q;     /* [rows][head_size] */
    const float *k, *v; /* [length][head_size], all with qkv_stride */
    size_t qkv_stride;
    float *out; /* [rows][head_size], out_stride */
    size_t out_stride;
    int length, head_size;
    float scale;
    const int *positions;                   /* [rows], rising; NULL: row r is at position r */
    int window;                             /* keys of a greater distance than this take no part; 0: all do */
    const float *bias;                      /* points at distance 0 of -(length - 1)..length - 1; or NULL */
    const struct relative_scores *relative; /* or NULL */
};

struct kernels {
    const char *name; /* of the highest path in the table: "ref", "avx2", ... */

    int panel;      /* columns of a panel */
    int int8_group; /* elements of a word at int8: 2 or 4 */

    /* y = activation(x w^T + bias) gate + residual, for the columns of panels panel_begin..panel_end. NULL
     * for a precision that the path has no instruction for (bf16). */
    void (*gemm[PRECISION_COUNT])(const struct gemm *g, const struct packed *w, int panel_begin,
                                  int panel_end);

    /* y[rows] = x[rows][k] in the form that gemm[] reads, y_stride (bytes) of at least kern_row_size() apart;
     * at int8 also scales[rows]. The same q on every path: the range of the row with zero is cut into 255
     * steps, and x / step rounded to even. A row whose range is below 255 times the least normal float counts
     * as zeros. bf16 is rounded to even, subnormals to zero. NULL at fp32, whose form is the floats. */
    void (*convert[PRECISION_COUNT])(void *y, size_t y_stride, struct row_scale *scales, const float *x,
                                     size_t x_stride, int rows, int k);

    /* Rows row_begin..row_end of one head. `scratch`: kern_attention_scratch() floats, 64-byte aligned. With
     * a window the cost is that of the keys in it; a value that is not finite may reach rows a little
     * outside, which ones depends on positions alone. At bf16 q, scale k, v and the exponentials are rounded
     * to bfloat16 for the products, all else is float32, and there may be no relative scores. NULL for a
     * precision other than fp32 that the path has no instruction for, and at int8. */
    void (*attention[PRECISION_COUNT])(const struct attention *a, int row_begin, int row_end, float *scratch);

    /* Rotary position embedding (Su et al. 2021) of one row of `heads` heads: of each the first half x1
     * becomes x1 cos - x2 sin, the second x2 cos + x1 sin. turn: head_size / 2 cosines, then as many sines.
     * The same bits on every path. */
    void (*rotate)(float *x, int heads, int head_size, const float *turn);

    /* y[r] = (x[r] - mean) / sqrt(var + eps) * gamma + beta over n columns; y may be x. Two passes,
     * population variance. */
    void (*layer_norm)(float *y, const float *x, size_t stride, int rows, int n, const float *gamma,
                       const float *beta, float eps);

    /* x[0..n) = softmax(x), max-subtracted. Exponentials below 2^-126.5, of what is more than about 87.68
     * below the largest, may count as 0. */
    void (*softmax)(float *x, int n);

    /* y[0..n) = x[0..n) widened exactly to float32; integers as they are. */
    void (*widen)(float *y, const void *x, enum dtype dtype, size_t n);

    /* y[0..n) += x[0..n) widened, of a float type. */
    void (*add_widened)(float *y, const void *x, enum dtype dtype, size_t n);
};

/* Floats of scratch that attention[] needs for items of up to `length` tokens, on every path, with
 * relative scores of up to `buckets` buckets (0: none). */
size_t kern_attention_scratch(int length, int head_size, int buckets);

/* Bytes of one row of k elements that convert() writes, padding included: a multiple of 64. */
size_t kern_row_size(const struct kernels *kernels, enum precision precision, int k);

/* Bytes that kern_packed_place() needs for w[n][k]: a multiple of 64. */
size_t kern_packed_size(const struct kernels *kernels, enum precision precision, int n, int k);

/* w[n][k] to be packed at `memory`, 64-byte aligned (NULL: all pointers NULL). */
struct packed kern_packed_place(const struct kernels *kernels, enum precision precision, int n, int k,
                                void *memory);

/* Panels panel_begin..panel_end of `w` as a matrix of their own: the rows of w from panel_begin * w->panel
 * on. The memory is w's. */
struct packed kern_packed_panels(const struct kernels *kernels, const struct packed *w, int panel_begin,
                                 int panel_end);

/* Packs panels panel_begin..panel_end. At int8, floats are quantised by kern_quantise(); stored q and scales
 * are taken as they are. */
void kern_pack(const struct kernels *kernels, const struct packed *w, const struct stored_weights *from,
               int panel_begin, int panel_end);

/* q[0..k) = x[0..k) / scale, rounded to even, -127 <= q <= 127. Returns the scale. A row that is not finite
 * has a scale of NaN. */
float kern_quantise(int8_t *q, const float *x, int k);

/* The nearest bfloat16, ties to even; subnormals become zero, as the products treat them. */
uint16_t kern_bf16(float x);

/* The table for this processor, at most `cap` (a path's name; NULL: no cap). An unknown name is
 * ERR_USAGE and lists the names; a path this processor lacks is refused by name, never replaced by a lesser
 * one in silence. The table is static and never changes. */
const struct kernels *kern_select(const char *cap, struct error *err);

/* All paths in rising order with whether this processor can run them (else only their name is set), for tests
 * and `linnet info`. NULL past the end. */
const struct kernels *kern_path(int index, bool *available);

#endif
