#include "kern/paths.h"

#include <string.h>

enum { LINE = 64, STRIP = 512, BLOCK_COLUMNS = 16, BLOCK_DEPTH = 64 };

/* Elements of a word, and bytes of a word of w. */
static int word_elements(const struct kernels *kernels, enum precision precision)
{
    return precision == PRECISION_INT8 ? kernels->int8_group : precision == PRECISION_BF16 ? 2 : 1;
}

static int word_bytes(const struct kernels *kernels, enum precision precision)
{
    return precision == PRECISION_INT8 ? kernels->int8_group : 4;
}

static size_t words_of(const struct kernels *kernels, enum precision precision, int k)
{
    return (size_t)(kern_round_up(k, word_elements(kernels, precision)) / word_elements(kernels, precision));
}

static size_t whole_lines(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

size_t kern_row_size(const struct kernels *kernels, enum precision precision, int k)
{
    return whole_lines(words_of(kernels, precision, k) * 4);
}

static size_t panels_size(const struct kernels *kernels, enum precision precision, int n, int k)
{
    return whole_lines((size_t)kern_round_up(n, kernels->panel) * words_of(kernels, precision, k) *
                       (size_t)word_bytes(kernels, precision));
}

static size_t scales_size(const struct kernels *kernels, enum precision precision, int n)
{
    return precision == PRECISION_INT8 ? whole_lines((size_t)kern_round_up(n, kernels->panel) * sizeof(float))
                                       : 0;
}

size_t kern_packed_size(const struct kernels *kernels, enum precision precision, int n, int k)
{
    return panels_size(kernels, precision, n, k) + 2 * scales_size(kernels, precision, n);
}

struct packed kern_packed_place(const struct kernels *kernels, enum precision precision, int n, int k,
                                void *memory)
{
    struct packed w = {
        .precision = precision,
        .n = n,
        .k = k,
        .panel = kernels->panel,
        .panel_count = (n + kernels->panel - 1) / kernels->panel,
        .data = memory,
    };
    if (memory && precision == PRECISION_INT8) {
        unsigned char *scales = w.data + panels_size(kernels, precision, n, k);
        w.scales = (float *)(void *)scales;
        w.sums = (int32_t *)(void *)(scales + scales_size(kernels, precision, n));
    }
    return w;
}

struct packed kern_packed_panels(const struct kernels *kernels, const struct packed *w, int panel_begin,
                                 int panel_end)
{
    const size_t panel_size =
        words_of(kernels, w->precision, w->k) * (size_t)w->panel * (size_t)word_bytes(kernels, w->precision);
    const int first = panel_begin * w->panel, end = panel_end * w->panel;
    struct packed part = *w;
    part.n = (end < w->n ? end : w->n) - first;
    part.panel_count = panel_end - panel_begin;
    part.data += (size_t)panel_begin * panel_size;
    if (part.scales) {
        part.scales += first;
        part.sums += first;
    }
    return part;
}

uint16_t kern_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t magnitude = bits & 0x7fffffff, sign = bits & 0x80000000;
    if (magnitude > 0x7f800000) /* NaN: a quiet one, whatever its payload */
        return (uint16_t)(bits >> 16 | 0x40);
    if (magnitude < 0x00800000)
        return (uint16_t)(sign >> 16);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* --- int8: symmetric, one scale a row */

/* What a row's scale follows from, gathered piece by piece. */
struct range {
    float greatest;
    float finite; /* 0, or NaN once an element was not finite */
};

static void widen_range(struct range *range, const float *x, int count)
{
    for (int i = 0; i < count; i++) {
        float magnitude = fabsf(x[i]);
        range->greatest = magnitude > range->greatest ? magnitude : range->greatest;
        range->finite += x[i] - x[i];
    }
}

static float range_scale(const struct range *range)
{
    float scale = range->greatest / 127.0f;
    return range->finite != 0.0f ? NAN : scale < FLT_MIN ? 0.0f : scale;
}

/* What an element is multiplied by before it is rounded. */
static float range_factor(float scale)
{
    return scale > 0.0f ? 1.0f / scale : 0.0f;
}

/* Adding and subtracting 1.5 * 2^23 rounds to an integer, ties to even. */
static int8_t quantise_one(float x, float factor)
{
    return factor > 0.0f ? (int8_t)(x * factor + 0x1.8p23f - 0x1.8p23f) : 0;
}

float kern_quantise(int8_t *q, const float *x, int k)
{
    struct range range = {0};
    widen_range(&range, x, k);
    float scale = range_scale(&range), factor = range_factor(scale);
    for (int i = 0; i < k; i++)
        q[i] = quantise_one(x[i], factor);
    return scale;
}

/* --- Packing */

/* Elements of a row of w from `begin` on, as floats. */
static void read_row(const struct kernels *kernels, float *x, const struct stored_weights *from, int k,
                     int row, int begin, int count)
{
    size_t first = (size_t)row * (size_t)k + (size_t)begin;
    kernels->widen(x, (const unsigned char *)from->data + first * dtype_size(from->dtype), from->dtype,
                   (size_t)count);
}

/* The scale of a row and the factor that makes q of what read_row() gives. */
static float row_scale(const struct kernels *kernels, const struct stored_weights *from, int k, int row,
                       float *factor)
{
    float strip[STRIP];
    struct range range = {0};
    *factor = 1.0f;
    if (from->dtype == DTYPE_I8)
        return from->scales[row];
    for (int i = 0; i < k; i += STRIP) {
        int count = k - i < STRIP ? k - i : STRIP;
        read_row(kernels, strip, from, k, row, i, count);
        widen_range(&range, strip, count);
    }
    float scale = range_scale(&range);
    *factor = range_factor(scale);
    return scale;
}

/* One block of w: columns of a panel by elements along k, transposed at `to`, words `stride` bytes apart. */
struct block {
    float x[BLOCK_COLUMNS][BLOCK_DEPTH + 1]; /* + 1: columns must not share one cache set */
    int columns, depth;
};

static void put_fp32(unsigned char *to, size_t stride, const struct block *block)
{
    for (int i = 0; i < block->depth; i++, to += stride)
        for (int j = 0; j < block->columns; j++)
            memcpy(to + (size_t)j * sizeof(float), &block->x[j][i], sizeof(float));
}

static void put_bf16(unsigned char *to, size_t stride, const struct block *block)
{
    for (int i = 0; i < block->depth; i++)
        for (int j = 0; j < block->columns; j++) {
            uint16_t half = kern_bf16(block->x[j][i]);
            memcpy(to + (size_t)(i / 2) * stride + (size_t)(j * 4 + i % 2 * 2), &half, sizeof half);
        }
}

static void put_int8(unsigned char *to, size_t stride, const struct block *block, const float *factors,
                     int32_t *sums, int group)
{
    for (int i = 0; i < block->depth; i++)
        for (int j = 0; j < block->columns; j++) {
            int8_t q = quantise_one(block->x[j][i], factors[j]);
            to[(size_t)(i / group) * stride + (size_t)(j * group + i % group)] = (unsigned char)q;
            sums[j] += q;
        }
}

/* BLOCK_COLUMNS columns, or fewer at the end, of which `column` is the first. A block is widened at a time,
 * so that both the reads along k and the writes along the panel are contiguous. */
static void pack_columns(const struct kernels *kernels, const struct packed *w,
                         const struct stored_weights *from, int column, int columns)
{
    int elements = word_elements(kernels, w->precision), bytes = word_bytes(kernels, w->precision);
    size_t stride = (size_t)w->panel * (size_t)bytes;
    unsigned char *to = w->data +
                        (size_t)(column / w->panel) * words_of(kernels, w->precision, w->k) * stride +
                        (size_t)(column % w->panel) * (size_t)bytes;
    float factors[BLOCK_COLUMNS];
    if (w->precision == PRECISION_INT8)
        for (int j = 0; j < columns; j++) {
            w->scales[column + j] = row_scale(kernels, from, w->k, column + j, &factors[j]);
            w->sums[column + j] = 0;
        }
    struct block block = {.columns = columns};
    for (int i = 0; i < w->k; i += BLOCK_DEPTH) {
        block.depth = w->k - i < BLOCK_DEPTH ? w->k - i : BLOCK_DEPTH;
        for (int j = 0; j < columns; j++) {
            read_row(kernels, block.x[j], from, w->k, column + j, i, block.depth);
            if (from->dtype == DTYPE_I8 && w->precision != PRECISION_INT8)
                for (int d = 0; d < block.depth; d++)
                    block.x[j][d] *= from->scales[column + j];
        }
        unsigned char *at = to + (size_t)(i / elements) * stride;
        if (w->precision == PRECISION_FP32)
            put_fp32(at, stride, &block);
        else if (w->precision == PRECISION_BF16)
            put_bf16(at, stride, &block);
        else
            put_int8(at, stride, &block, factors, w->sums + column, kernels->int8_group);
    }
}

void kern_pack(const struct kernels *kernels, const struct packed *w, const struct stored_weights *from,
               int panel_begin, int panel_end)
{
    size_t panel_bytes =
        words_of(kernels, w->precision, w->k) * (size_t)w->panel * (size_t)word_bytes(kernels, w->precision);
    for (int panel = panel_begin; panel < panel_end; panel++) {
        int first = panel * w->panel, end = w->n < first + w->panel ? w->n : first + w->panel;
        bool padded = end < first + w->panel || w->k % word_elements(kernels, w->precision) != 0;
        if (padded)
            memset(w->data + (size_t)panel * panel_bytes, 0, panel_bytes);
        if (w->precision == PRECISION_INT8) {
            memset(w->scales + first, 0, (size_t)w->panel * sizeof *w->scales);
            memset(w->sums + first, 0, (size_t)w->panel * sizeof *w->sums);
        }
        for (int column = first; column < end; column += BLOCK_COLUMNS)
            pack_columns(kernels, w, from, column,
                         end - column < BLOCK_COLUMNS ? end - column : BLOCK_COLUMNS);
    }
}
