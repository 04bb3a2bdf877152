/* What the paths of the kernel table share among themselves. Not for other layers. */
#ifndef LINNET_KERN_PATHS_H
#define LINNET_KERN_PATHS_H

#include "kern/kern.h"

extern const struct kernels kern_ref;
#if defined(__x86_64__)
extern const struct kernels kern_avx2, kern_avx512;
#endif

enum {
    KERN_MAX_LANES = 16,            /* floats of the widest vector of any path */
    KERN_ATTENTION_ROWS = 24,       /* query rows that attention_f32() takes at a time */
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

/* pack_f32() of struct kernels for panels of `panel` columns; `widen` reads the stored type. */
void kern_pack(float *data, const void *w, enum dtype dtype, int n, int k, int panel, int panel_begin,
               int panel_end, void (*widen)(float *y, const void *x, enum dtype dtype, size_t n));

#endif
