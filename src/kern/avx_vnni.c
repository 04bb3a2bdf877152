/* int8 by VPDPBUSD on 256-bit vectors. Built for AVX-VNNI, and by the tests for AVX512-VNNI with AVX512-VL:
 * the same source, whose instructions are then encoded another way. */
#include "kern/vec_avx2.h"

/* In assembler, for GCC 12 would copy each sum to and fro around its intrinsic. */
ALWAYS_INLINE vec vec_dot_uint8_int8(vec sum, vec x, vec w)
{
#ifdef KERN_SIMD_HEADER
    __m256i words =
        emulated_dpbusd_epi32(_mm256_castps_si256(sum), _mm256_castps_si256(x), _mm256_castps_si256(w));
    return _mm256_castsi256_ps(words);
#else
#ifdef __AVX512VNNI__
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
#else
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
#endif
    return sum;
#endif
}

#include "kern/int8_quads.h"

#define TILE_VECTORS 2

#include "kern/math_tmpl.h"

#include "kern/gemm_tmpl.h"

DEFINE_GEMM(int8, PRECISION_INT8, 2)

#include "kern/quantise_tmpl.h"

void kern_fill_avx_vnni(struct kernels *table)
{
    table->int8_group = INT8_GROUP;
    table->gemm[PRECISION_INT8] = gemm_int8;
    table->convert[PRECISION_INT8] = convert_int8;
}
