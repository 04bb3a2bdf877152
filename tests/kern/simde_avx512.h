/* AVX-512 in portable C, for tests of src/kern/avx512.c on processors without it: SIMDe, and what its version
 * 0.7.4 lacks. */
#ifndef LINNET_TESTS_KERN_SIMDE_AVX512_H
#define LINNET_TESTS_KERN_SIMDE_AVX512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#pragma GCC diagnostic pop

#include <stdint.h>
#include <string.h>

static inline simde__m512 emulated_maskz_loadu_ps(simde__mmask16 mask, const float *p)
{
    float lanes[16] = {0};
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            lanes[i] = p[i];
    return simde_mm512_loadu_ps(lanes);
}

static inline void emulated_mask_storeu_ps(float *p, simde__mmask16 mask, simde__m512 v)
{
    float lanes[16];
    simde_mm512_storeu_ps(lanes, v);
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            p[i] = lanes[i];
}

static inline simde__m256 emulated_upper_half(simde__m512 v)
{
    float lanes[16];
    simde_mm512_storeu_ps(lanes, v);
    return simde_mm256_loadu_ps(lanes + 8);
}

static inline simde__m512 emulated_join(simde__m256 low, simde__m256 high)
{
    float lanes[16];
    simde_mm256_storeu_ps(lanes, low);
    simde_mm256_storeu_ps(lanes + 8, high);
    return simde_mm512_loadu_ps(lanes);
}

static inline simde__m512 emulated_cvtph_ps(simde__m256i halves)
{
    return emulated_join(simde_mm256_cvtph_ps(simde_mm256_castsi256_si128(halves)),
                         simde_mm256_cvtph_ps(simde_mm256_extracti128_si256(halves, 1)));
}

static inline simde__m512i emulated_cvtepu16_epi32(simde__m256i halves)
{
    uint16_t from[16];
    uint32_t to[16];
    memcpy(from, &halves, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[i];
    return simde_mm512_loadu_si512(to);
}

/* Clang's own header, which SIMDe includes, has macros of some of these names. */
#undef _mm512_extractf32x8_ps

#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_extractf32x8_ps(v, half) emulated_upper_half(v)
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32

#endif
