/* What the paths of the kernel table share among themselves. Not for other layers. */
#ifndef LINNET_KERN_PATHS_H
#define LINNET_KERN_PATHS_H

#include <float.h>
#include <math.h>

#include "kern/kern.h"

/* Each overwrites what its instruction set does better; the table holds the entries of the paths below. */
typedef void kern_fill(struct kernels *table);
kern_fill kern_fill_ref, kern_fill_avx2, kern_fill_avx_vnni, kern_fill_avx512, kern_fill_avx512_vnni,
    kern_fill_avx512_bf16;

enum {
    KERN_MAX_LANES = 16,            /* floats of the widest vector of any path */
    KERN_ATTENTION_ROWS = 24,       /* query rows that attention[] takes at a time; even */
    KERN_ATTENTION_STRETCH = 120,   /* positions whose keys it packs at a time where there is a window */
    KERN_BLOCK_BYTES = 1024 * 1024, /* of x that a GEMM multiplies by one panel before it takes the next */
};

/* Bounds past which GELU-erf, GELU-tanh and SiLU are max(x, 0) to the last bit of float32: the second term,
 * |x| times a probability, underflows to zero. Arguments are cut there, so that huge ones do not overflow. */
#define GELU_ERF_CUT 14.5f
#define GELU_TANH_CUT 12.0f
#define SILU_CUT 110.0f

/* The first of count things that belongs to part `part` of `parts`: the parts differ by at most one. */
static inline int kern_part_begin(int count, int part, int parts)
{
    return (int)((long long)count * part / parts);
}

/* n rounded up to whole vectors of `lanes`. */
static inline int kern_round_up(int n, int lanes)
{
    return (n + lanes - 1) / lanes * lanes;
}

/* How convert() quantises a row whose elements lie in -low..high (low, high >= 0): q = x * *factor, rounded
 * to even, plus zero. */
static inline struct row_scale kern_row_scale(float low, float high, bool finite, float *factor)
{
    struct row_scale row = {low / 255.0f + high / 255.0f, 0};
    bool usable = finite && row.scale >= FLT_MIN;
    *factor = usable ? 1.0f / row.scale : 0.0f;
    if (!usable)
        row.scale = finite ? 0.0f : NAN;
    row.zero = (int32_t)lrintf(low * *factor);
    return row;
}

#endif
