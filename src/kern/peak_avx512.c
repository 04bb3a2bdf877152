#include "kern/peak_tmpl.h"

PEAK_LOOP(kern_peak_fma_zmm, __m512i, _mm512_set1_epi32, HALF_F32, "vfmadd231ps %2, %2, %0", 16 * 2)
PEAK_LOOP(kern_peak_madd_zmm, __m512i, _mm512_set1_epi32, TWO_S16, "vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0",
          32 * 2)
PEAK_LOOP(kern_peak_dpbusd_zmm, __m512i, _mm512_set1_epi32, FOUR_BYTES, "vpdpbusd %2, %2, %0", 64 * 2)
PEAK_LOOP(kern_peak_dpbf16_zmm, __m512i, _mm512_set1_epi32, HALVES_BF16, "vdpbf16ps %2, %2, %0", 32 * 2)
