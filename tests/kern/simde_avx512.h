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

#include <math.h>
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

/* Each lane of 128 bits: two floats of a, then two of b. Not inlined: a transposition has 32 of these, and a
 * sanitizer's build would take minutes. */
__attribute__((noinline)) static simde__m512 emulated_shuffle_ps(simde__m512 a, simde__m512 b, int choice)
{
    float from[2][16], lanes[16];
    simde_mm512_storeu_ps(from[0], a);
    simde_mm512_storeu_ps(from[1], b);
    for (int i = 0; i < 16; i++)
        lanes[i] = from[i % 4 / 2][i / 4 * 4 + (choice >> i % 4 * 2 & 3)];
    return simde_mm512_loadu_ps(lanes);
}

/* The same with lanes of 128 bits in place of floats. */
__attribute__((noinline)) static simde__m512 emulated_shuffle_f32x4(simde__m512 a, simde__m512 b, int choice)
{
    float from[2][16], lanes[16];
    simde_mm512_storeu_ps(from[0], a);
    simde_mm512_storeu_ps(from[1], b);
    for (int i = 0; i < 16; i++)
        lanes[i] = from[i / 8][(choice >> i / 4 * 2 & 3) * 4 + i % 4];
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

static inline simde__m512i emulated_cvtps_epi32(simde__m512 v)
{
    float lanes[16];
    int32_t to[16];
    simde_mm512_storeu_ps(lanes, v);
    simde_mm256_storeu_si256((simde__m256i *)(void *)to,
                             simde_mm256_cvtps_epi32(simde_mm256_loadu_ps(lanes)));
    simde_mm256_storeu_si256((simde__m256i *)(void *)(to + 8),
                             simde_mm256_cvtps_epi32(simde_mm256_loadu_ps(lanes + 8)));
    return simde_mm512_loadu_si512(to);
}

static inline simde__m512 emulated_cvtepi32_ps(simde__m512i v)
{
    int32_t from[16];
    float to[16];
    simde_mm512_storeu_si512(from, v);
    for (int i = 0; i < 16; i++)
        to[i] = (float)from[i];
    return simde_mm512_loadu_ps(to);
}

static inline simde__m256i emulated_cvtepi32_epi16(simde__m512i v)
{
    uint32_t from[16];
    uint16_t to[16];
    simde_mm512_storeu_si512(from, v);
    for (int i = 0; i < 16; i++)
        to[i] = (uint16_t)from[i];
    return simde_mm256_loadu_si256((const simde__m256i *)(const void *)to);
}

static inline simde__m128i emulated_cvtusepi32_epi8(simde__m512i v)
{
    uint32_t from[16];
    uint8_t to[16];
    simde_mm512_storeu_si512(from, v);
    for (int i = 0; i < 16; i++)
        to[i] = (uint8_t)(from[i] > 255 ? 255 : from[i]);
    return simde_mm_loadu_si128((const simde__m128i *)(const void *)to);
}

/* sum + x1 w1 + x0 w0 of each lane, rounded after each product, subnormals as zero (Intel SDM, VDPBF16PS). */
static inline simde__m512 emulated_dpbf16_ps(simde__m512 sum, simde__m512 x, simde__m512 w)
{
    float sums[16];
    uint32_t xs[16], ws[16];
    simde_mm512_storeu_ps(sums, sum);
    simde_mm512_storeu_ps(xs, x);
    simde_mm512_storeu_ps(ws, w);
    for (int i = 0; i < 16; i++)
        for (int half = 1; half >= 0; half--) {
            uint32_t a = half ? xs[i] & 0xffff0000 : xs[i] << 16, b = half ? ws[i] & 0xffff0000 : ws[i] << 16;
            float p, q;
            a = a & 0x7f800000 ? a : a & 0x80000000;
            b = b & 0x7f800000 ? b : b & 0x80000000;
            memcpy(&p, &a, sizeof p);
            memcpy(&q, &b, sizeof q);
            sums[i] = fmaf(p, q, sums[i]);
            sums[i] = fabsf(sums[i]) < 0x1p-126f ? copysignf(0.0f, sums[i]) : sums[i];
        }
    return simde_mm512_loadu_ps(sums);
}

static inline uint16_t emulated_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x)
        return (uint16_t)((bits | 0x400000) >> 16);
    if (fabsf(x) < 0x1p-126f)
        return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* The floats of b, then those of a, in bfloat16 (Intel SDM, VCVTNE2PS2BF16). */
static inline simde__m512 emulated_cvtne2ps_pbh(simde__m512 a, simde__m512 b)
{
    float from[32];
    uint16_t to[32];
    simde_mm512_storeu_ps(from, b);
    simde_mm512_storeu_ps(from + 16, a);
    for (int i = 0; i < 32; i++)
        to[i] = emulated_bf16(from[i]);
    return simde_mm512_loadu_ps(to);
}

/* Clang's own header, which SIMDe includes, has macros of some of these names. */
#undef _mm512_extractf32x8_ps
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_f32x4
/* SIMDe 0.7.4 gives this macro two parameters too many. */
#undef _mm512_madd_epi16

#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_extractf32x8_ps(v, half) emulated_upper_half(v)
#define _mm512_shuffle_ps emulated_shuffle_ps
#define _mm512_shuffle_f32x4 emulated_shuffle_f32x4
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16
#define _mm512_cvtusepi32_epi8 emulated_cvtusepi32_epi8
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

#endif
