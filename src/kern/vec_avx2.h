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

/* To the nearest integer, ties to even. */
ALWAYS_INLINE vec vec_round(vec v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v * 2^n for integers -200 <= n <= 200, rounded once: in two steps, for one power of two may leave the range
 * of float. */
ALWAYS_INLINE vec vec_scale(vec v, vec n)
{
    __m256i all = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(all, 1), rest = _mm256_sub_epi32(all, half);
    __m256i bias = _mm256_set1_epi32(127);
    vec first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vec second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(v, first), second);
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

#endif
