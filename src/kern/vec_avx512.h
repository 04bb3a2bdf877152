/* A vector of 16 floats: AVX-512 F, BW, DQ and VL. The same operations as in vec_avx2.h, which says what each
 * does. */
#ifndef LINNET_KERN_VEC_AVX512_H
#define LINNET_KERN_VEC_AVX512_H

#include <stdint.h>

#include "kern/simd.h"

typedef __m512 vec;
#define LANES 16

ALWAYS_INLINE vec vec_set1(float x)
{
    return _mm512_set1_ps(x);
}

ALWAYS_INLINE vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

ALWAYS_INLINE void vec_store(float *p, vec v)
{
    _mm512_storeu_ps(p, v);
}

ALWAYS_INLINE __mmask16 vec_mask(int count)
{
    return (__mmask16)((1u << count) - 1);
}

ALWAYS_INLINE vec vec_load_part(const float *p, int count)
{
    return _mm512_maskz_loadu_ps(vec_mask(count), p);
}

ALWAYS_INLINE void vec_store_part(float *p, vec v, int count)
{
    _mm512_mask_storeu_ps(p, vec_mask(count), v);
}

ALWAYS_INLINE vec vec_select_part(vec v, vec fill, int count)
{
    return _mm512_mask_blend_ps(vec_mask(count), fill, v);
}

ALWAYS_INLINE vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

ALWAYS_INLINE vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

ALWAYS_INLINE vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

ALWAYS_INLINE vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

ALWAYS_INLINE vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

ALWAYS_INLINE vec vec_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

ALWAYS_INLINE vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

ALWAYS_INLINE vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

ALWAYS_INLINE vec vec_abs(vec v)
{
    return _mm512_abs_ps(v);
}

ALWAYS_INLINE vec vec_copysign(vec v, vec sign)
{
    return _mm512_or_ps(vec_abs(v), _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}

ALWAYS_INLINE vec vec_round(vec v)
{
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

ALWAYS_INLINE vec vec_scale(vec v, vec n)
{
    return _mm512_scalef_ps(v, n);
}

ALWAYS_INLINE float vec_sum(vec v)
{
    __m256 w = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(w), _mm256_extractf128_ps(w, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

ALWAYS_INLINE float vec_max_lane(vec v)
{
    __m256 w = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(w), _mm256_extractf128_ps(w, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

ALWAYS_INLINE vec vec_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

ALWAYS_INLINE vec vec_load_bf16(const uint16_t *p)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

#endif
