/* VPDPBUSD in AVX2, for tests of src/kern/avx_vnni.c on processors without it. */
#ifndef LINNET_TESTS_KERN_EMULATED_VNNI_H
#define LINNET_TESTS_KERN_EMULATED_VNNI_H

#include <immintrin.h>

/* sum + the four products of each lane: bytes widened to 16 bits, so that nothing saturates. */
static inline __m256i emulated_dpbusd_epi32(__m256i sum, __m256i x, __m256i w)
{
    __m256i x_low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(x));
    __m256i x_high = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(x, 1));
    __m256i w_low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w));
    __m256i w_high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1));
    __m256i low = _mm256_madd_epi16(x_low, w_low), high = _mm256_madd_epi16(x_high, w_high);
    /* hadd adds neighbours within each half: the quarters come out in the order 0 2 1 3. */
    __m256i quads = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), _MM_SHUFFLE(3, 1, 2, 0));
    return _mm256_add_epi32(sum, quads);
}

#endif
