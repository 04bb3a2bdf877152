/* A vector of 8 floats: AVX2 + FMA + F16C. The operations that every *_tmpl.h is written in; vec_avx512.h has
 * the same. */
#ifndef LINNET_KERN_VEC_AVX2_H
#define LINNET_KERN_VEC_AVX2_H

#include <stdint.h>

#include "kern/simd.h"

typedef __m256 vec;
#define LANES 8

ALWAYS_INLINE vec vec_set1(float x)
{
    return _mm256_set1_ps(x);
}

ALWAYS_INLINE vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

ALWAYS_INLINE void vec_store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}

/* Four bytes at any address, in each lane. */
ALWAYS_INLINE vec vec_set1_word(const void *p)
{
    float word;
    __builtin_memcpy(&word, p, sizeof word);
    return _mm256_set1_ps(word);
}

ALWAYS_INLINE vec vec_load_bytes(const void *p)
{
    return _mm256_castsi256_ps(_mm256_loadu_si256(p));
}

/* All ones in the first `count` lanes, 0 <= count <= 8. */
ALWAYS_INLINE __m256i vec_mask(int count)
{
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(window + LANES - count));
}

/* The first `count` lanes, 0 < count < 8; zero in the others. Memory past them is not touched. */
ALWAYS_INLINE vec vec_load_part(const float *p, int count)
{
    return _mm256_maskload_ps(p, vec_mask(count));
}

ALWAYS_INLINE void vec_store_part(float *p, vec v, int count)
{
    _mm256_maskstore_ps(p, vec_mask(count), v);
}

/* v in the first `count` lanes, 0 < count < 8, and fill in the others. */
ALWAYS_INLINE vec vec_select_part(vec v, vec fill, int count)
{
    return _mm256_blendv_ps(fill, v, _mm256_castsi256_ps(vec_mask(count)));
}

ALWAYS_INLINE vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

ALWAYS_INLINE vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

ALWAYS_INLINE vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

ALWAYS_INLINE vec vec_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

ALWAYS_INLINE vec vec_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* Where either is NaN these two return b: put what may be NaN there. */
ALWAYS_INLINE vec vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

ALWAYS_INLINE vec vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

ALWAYS_INLINE vec vec_abs(vec v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/* |v| with the sign of `sign`. */
ALWAYS_INLINE vec vec_copysign(vec v, vec sign)
{
    return _mm256_or_ps(vec_abs(v), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}

/* The lowest 9 bits of each lane as a float's sign and exponent. */
ALWAYS_INLINE vec vec_exponent(vec v)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(v), 23));
}

/* Lane c of v[r] becomes lane r of v[c]. */
ALWAYS_INLINE void vec_transpose(vec v[LANES])
{
    vec pairs[LANES], fours[LANES];
    UNROLL
    for (int r = 0; r < LANES; r += 2) {
        pairs[r] = _mm256_unpacklo_ps(v[r], v[r + 1]);
        pairs[r + 1] = _mm256_unpackhi_ps(v[r], v[r + 1]);
    }
    UNROLL
    for (int r = 0; r < LANES; r += 4) {
        fours[r] = _mm256_shuffle_ps(pairs[r], pairs[r + 2], _MM_SHUFFLE(1, 0, 1, 0));
        fours[r + 1] = _mm256_shuffle_ps(pairs[r], pairs[r + 2], _MM_SHUFFLE(3, 2, 3, 2));
        fours[r + 2] = _mm256_shuffle_ps(pairs[r + 1], pairs[r + 3], _MM_SHUFFLE(1, 0, 1, 0));
        fours[r + 3] = _mm256_shuffle_ps(pairs[r + 1], pairs[r + 3], _MM_SHUFFLE(3, 2, 3, 2));
    }
    UNROLL
    for (int r = 0; r < 4; r++) {
        v[r] = _mm256_permute2f128_ps(fours[r], fours[r + 4], 0x20);
        v[r + 4] = _mm256_permute2f128_ps(fours[r], fours[r + 4], 0x31);
    }
}

ALWAYS_INLINE float vec_sum(vec v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

ALWAYS_INLINE float vec_max_lane(vec v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

ALWAYS_INLINE vec vec_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

ALWAYS_INLINE vec vec_load_bf16(const uint16_t *p)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

/* --- Lanes that hold 32-bit integers */

/* To the nearest integer, ties to even; what is out of range or NaN becomes the least integer. */
ALWAYS_INLINE vec vec_to_int(vec v)
{
    return _mm256_castsi256_ps(_mm256_cvtps_epi32(v));
}

ALWAYS_INLINE vec vec_from_int(vec v)
{
    return _mm256_cvtepi32_ps(_mm256_castps_si256(v));
}

ALWAYS_INLINE vec vec_set1_int(int32_t n)
{
    return _mm256_castsi256_ps(_mm256_set1_epi32(n));
}

ALWAYS_INLINE vec vec_add_int(vec a, vec b)
{
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

ALWAYS_INLINE vec vec_sub_int(vec a, vec b)
{
    return _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

ALWAYS_INLINE vec vec_mul_int(vec a, vec b)
{
    return _mm256_castsi256_ps(_mm256_mullo_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

/* The greater of two lanes as signed, and as unsigned integers. */
ALWAYS_INLINE vec vec_max_int(vec a, vec b)
{
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

ALWAYS_INLINE vec vec_max_uint(vec a, vec b)
{
    return _mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

ALWAYS_INLINE vec vec_clamp_int(vec v, int32_t low, int32_t high)
{
    __m256i n = _mm256_max_epi32(_mm256_castps_si256(v), _mm256_set1_epi32(low));
    return _mm256_castsi256_ps(_mm256_min_epi32(n, _mm256_set1_epi32(high)));
}

/* Lanes of -32768..32767 as 16 bits each; any, cut to 0..255, as 8 bits each. */
ALWAYS_INLINE void vec_store_int16(void *p, vec v)
{
    __m256i n = _mm256_castps_si256(v);
    _mm_storeu_si128(p, _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1)));
}

ALWAYS_INLINE void vec_store_uint8(void *p, vec v)
{
    __m256i n = _mm256_castps_si256(v);
    __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1));
    _mm_storel_epi64(p, _mm_packus_epi16(halves, halves));
}

/* Two signed bytes for each lane, widened to 16 bits. */
ALWAYS_INLINE vec vec_load_int8_pairs(const void *p)
{
    return _mm256_castsi256_ps(_mm256_cvtepi8_epi16(_mm_loadu_si128(p)));
}

/* sum + a0 b0 + a1 b1 of each lane's two 16-bit integers. */
ALWAYS_INLINE vec vec_dot_int16_pairs(vec sum, vec a, vec b)
{
    __m256i products = _mm256_madd_epi16(_mm256_castps_si256(a), _mm256_castps_si256(b));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), products));
}

#endif
