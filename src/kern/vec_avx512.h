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

ALWAYS_INLINE vec vec_set1_word(const void *p)
{
    float word;
    __builtin_memcpy(&word, p, sizeof word);
    return _mm512_set1_ps(word);
}

ALWAYS_INLINE vec vec_load_bytes(const void *p)
{
    return _mm512_castsi512_ps(_mm512_loadu_si512(p));
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

ALWAYS_INLINE vec vec_exponent(vec v)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(v), 23));
}

ALWAYS_INLINE void vec_transpose(vec v[LANES])
{
    vec pairs[LANES], fours[LANES];
    UNROLL
    for (int r = 0; r < LANES; r += 2) {
        pairs[r] = _mm512_unpacklo_ps(v[r], v[r + 1]);
        pairs[r + 1] = _mm512_unpackhi_ps(v[r], v[r + 1]);
    }
    UNROLL
    for (int r = 0; r < LANES; r += 4) {
        fours[r] = _mm512_shuffle_ps(pairs[r], pairs[r + 2], _MM_SHUFFLE(1, 0, 1, 0));
        fours[r + 1] = _mm512_shuffle_ps(pairs[r], pairs[r + 2], _MM_SHUFFLE(3, 2, 3, 2));
        fours[r + 2] = _mm512_shuffle_ps(pairs[r + 1], pairs[r + 3], _MM_SHUFFLE(1, 0, 1, 0));
        fours[r + 3] = _mm512_shuffle_ps(pairs[r + 1], pairs[r + 3], _MM_SHUFFLE(3, 2, 3, 2));
    }
    /* fours[4 g + c] holds, in its quarter q, column 4 q + c of the rows 4 g..4 g + 3. */
    UNROLL
    for (int c = 0; c < 4; c++) {
        vec even_low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], _MM_SHUFFLE(2, 0, 2, 0));
        vec odd_low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], _MM_SHUFFLE(3, 1, 3, 1));
        vec even_high = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], _MM_SHUFFLE(2, 0, 2, 0));
        vec odd_high = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], _MM_SHUFFLE(3, 1, 3, 1));
        v[c] = _mm512_shuffle_f32x4(even_low, even_high, _MM_SHUFFLE(2, 0, 2, 0));
        v[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, _MM_SHUFFLE(2, 0, 2, 0));
        v[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, _MM_SHUFFLE(3, 1, 3, 1));
        v[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, _MM_SHUFFLE(3, 1, 3, 1));
    }
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

/* Rounded to even, NaN made quiet, subnormals made zero: as kern_bf16(). */
ALWAYS_INLINE void vec_store_bf16(uint16_t *p, vec v)
{
    __m512i bits = _mm512_castps_si512(v), sign = _mm512_and_si512(bits, _mm512_set1_epi32(INT32_MIN));
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    __mmask16 small = _mm512_cmp_ps_mask(vec_abs(v), _mm512_set1_ps(0x1p-126f), _CMP_LT_OQ);
    __m512i result = _mm512_mask_blend_epi32(small, _mm512_mask_blend_epi32(nan, rounded, quiet), sign);
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(result, 16)));
}

/* --- Lanes that hold 32-bit integers */

ALWAYS_INLINE vec vec_to_int(vec v)
{
    return _mm512_castsi512_ps(_mm512_cvtps_epi32(v));
}

ALWAYS_INLINE vec vec_from_int(vec v)
{
    return _mm512_cvtepi32_ps(_mm512_castps_si512(v));
}

ALWAYS_INLINE vec vec_set1_int(int32_t n)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32(n));
}

ALWAYS_INLINE vec vec_add_int(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

ALWAYS_INLINE vec vec_sub_int(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

ALWAYS_INLINE vec vec_mul_int(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_mullo_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

ALWAYS_INLINE vec vec_max_int(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

ALWAYS_INLINE vec vec_max_uint(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

ALWAYS_INLINE vec vec_clamp_int(vec v, int32_t low, int32_t high)
{
    __m512i n = _mm512_max_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(low));
    return _mm512_castsi512_ps(_mm512_min_epi32(n, _mm512_set1_epi32(high)));
}

ALWAYS_INLINE void vec_store_int16(void *p, vec v)
{
    _mm256_storeu_si256(p, _mm512_cvtepi32_epi16(_mm512_castps_si512(v)));
}

ALWAYS_INLINE void vec_store_uint8(void *p, vec v)
{
    __m512i positive = _mm512_max_epi32(_mm512_castps_si512(v), _mm512_setzero_si512());
    _mm_storeu_si128(p, _mm512_cvtusepi32_epi8(positive));
}

ALWAYS_INLINE vec vec_load_int8_pairs(const void *p)
{
    return _mm512_castsi512_ps(_mm512_cvtepi8_epi16(_mm256_loadu_si256(p)));
}

ALWAYS_INLINE vec vec_dot_int16_pairs(vec sum, vec a, vec b)
{
    __m512i products = _mm512_madd_epi16(_mm512_castps_si512(a), _mm512_castps_si512(b));
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(sum), products));
}

#endif
