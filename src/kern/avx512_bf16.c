/* bf16 by VDPBF16PS on 512-bit vectors. */
#include "kern/vec_avx512.h"

/* sum + x1 w1 + x0 w0 of each lane's two bfloat16; subnormals count as zero (Intel SDM, VDPBF16PS). In
 * assembler for the reason in avx512_vnni.c. */
ALWAYS_INLINE vec vec_dot_bf16(vec sum, vec x, vec w)
{
#ifdef KERN_SIMD_HEADER
    return emulated_dpbf16_ps(sum, x, w);
#else
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
#endif
}

/* Two vectors of floats in bfloat16: `low`'s come first. Rounded to even, NaN made quiet, subnormals zero. */
ALWAYS_INLINE vec vec_bf16_words(vec low, vec high)
{
#ifdef KERN_SIMD_HEADER
    return emulated_cvtne2ps_pbh(high, low);
#else
    return (vec)_mm512_cvtne2ps_pbh(high, low);
#endif
}

/* Elements 0..31 of 16 bits each: 0, 16, 1, 17, ... */
ALWAYS_INLINE vec vec_interleave_halves(vec v)
{
    static const uint16_t order[2 * LANES] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                              8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_loadu_si512(order), _mm512_castps_si512(v)));
}

#define HAVE_BF16
#define TILE_VECTORS 4

#include "kern/math_tmpl.h"

#include "kern/gemm_tmpl.h"

DEFINE_PAIRED_GEMM(bf16, PRECISION_BF16, 2)

#include "kern/softmax_tmpl.h"

#include "kern/attention_tmpl.h"

static void convert_bf16(void *y, size_t y_stride, struct row_scale *scales, const float *x, size_t x_stride,
                         int rows, int k)
{
    (void)scales;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < k; i += LANES)
            vec_store_bf16((uint16_t *)(void *)((unsigned char *)y + (size_t)r * y_stride) + i,
                           vec_load_first(x + (size_t)r * x_stride + i, k - i));
}

void kern_fill_avx512_bf16(struct kernels *table)
{
    table->gemm[PRECISION_BF16] = gemm_bf16;
    table->convert[PRECISION_BF16] = convert_bf16;
    table->attention[PRECISION_BF16] = attention;
}
