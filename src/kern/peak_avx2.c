#include "kern/peak_tmpl.h"

PEAK_LOOP(kern_peak_fma_ymm, __m256i, _mm256_set1_epi32, HALF_F32, "vfmadd231ps %2, %2, %0", 8 * 2)
PEAK_LOOP(kern_peak_madd_ymm, __m256i, _mm256_set1_epi32, TWO_S16, "vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0",
          16 * 2)
PEAK_LOOP(kern_peak_dpbusd_ymm, __m256i, _mm256_set1_epi32, FOUR_BYTES, "%{vex%} vpdpbusd %2, %2, %0", 32 * 2)
