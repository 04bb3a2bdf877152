/* int8 by VPDPBUSD on 512-bit vectors. */
#include "kern/vec_avx512.h"

/* In assembler, for GCC 12 would copy each of 24 sums to and fro around its intrinsic: half the speed. */
ALWAYS_INLINE vec vec_dot_uint8_int8(vec sum, vec x, vec w)
{
#ifdef KERN_SIMD_HEADER
    return _mm512_castsi512_ps(
        _mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(x), _mm512_castps_si512(w)));
#else
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
#endif
}

#include "kern/int8_quads.h"

#define TILE_VECTORS 4

#include "kern/math_tmpl.h"

#include "kern/gemm_tmpl.h"

DEFINE_PAIRED_GEMM(int8, PRECISION_INT8, 2)

#include "kern/quantise_tmpl.h"

void kern_fill_avx512_vnni(struct kernels *table)
{
    table->int8_group = INT8_GROUP;
    table->gemm[PRECISION_INT8] = gemm_int8;
    table->convert[PRECISION_INT8] = convert_int8;
}
