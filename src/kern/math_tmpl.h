/* Elementwise functions on vectors, and loads and stores of a row's last, partial vector.
 *
 * Included once by each instruction-set file, after its vec_*.h. A partial vector goes through the same code
 * as a whole one, so an element's bits do not depend on where in a row it stands. The polynomials were fitted
 * by tests/kern/coefficients.py, which also prints their errors. */
#include <math.h>

#include "kern/paths.h"

/* The first `count` lanes (all, if there are as many or more), zero in the others. */
ALWAYS_INLINE vec vec_load_first(const float *p, int count)
{
    return count >= LANES ? vec_load(p) : vec_load_part(p, count);
}

ALWAYS_INLINE void vec_store_first(float *p, vec v, int count)
{
    if (count >= LANES)
        vec_store(p, v);
    else
        vec_store_part(p, v, count);
}

ALWAYS_INLINE vec vec_select_first(vec v, vec fill, int count)
{
    return count >= LANES ? v : vec_select_part(v, fill, count);
}

/* coefficients[0] + coefficients[1] x + ..., an odd count of them, 3 or more. Even and odd powers apart: two
 * short chains of dependent operations instead of one long. */
ALWAYS_INLINE vec vec_polynomial(vec x, const float *coefficients, int count)
{
    vec square = vec_mul(x, x);
    vec even = vec_set1(coefficients[count - 1]), odd = vec_set1(coefficients[count - 2]);
    UNROLL
    for (int i = count - 3; i > 0; i -= 2) {
        even = vec_fma(even, square, vec_set1(coefficients[i]));
        odd = vec_fma(odd, square, vec_set1(coefficients[i - 1]));
    }
    even = vec_fma(even, square, vec_set1(coefficients[0]));
    return vec_fma(odd, x, even);
}

/* exp(r) - 1 for r = x - n ln 2, |r| <= ln 2 / 2, with n the nearest integer, and *power = 2^n; for -88 <= x
 * <=
 * 88. At n = -127 the power is 0. */
ALWAYS_INLINE vec vec_expm1_reduced(vec x, vec *power)
{
    /* (exp(r) - 1 - r) / r^2 */
    static const float coefficients[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558bp-5f, 0x1.12398ep-7f,
                                         0x1.6a4d6p-10f};
    /* Added to a number below 2^22 it leaves no bits for a fraction: the sum is n + 127, in its lowest bits.
     */
    const vec rounder = vec_set1(0x1.8p23f + 127);
    vec shifted = vec_fma(x, vec_set1(0x1.715476p+0f), rounder); /* 1 / ln 2 */
    vec n = vec_sub(shifted, rounder);
    vec r = vec_fnma(n, vec_set1(0x1.62e430p-1f), x); /* ln 2, upper 24 bits */
    r = vec_fnma(n, vec_set1(-0x1.05c610p-29f), r);   /* ln 2, the rest */
    *power = vec_exponent(shifted);
    return vec_fma(vec_mul(r, r), vec_polynomial(r, coefficients, 5), r);
}

/* For x <= 0, and NaN. What is below 2^-126.5 (x below about -87.68) becomes 0; between that and 2^-126 it is
 * subnormal. */
ALWAYS_INLINE vec vec_exp(vec x)
{
    vec power, reduced = vec_expm1_reduced(vec_max(vec_set1(-88.0f), x), &power);
    return vec_mul(vec_add(reduced, vec_set1(1.0f)), power);
}

ALWAYS_INLINE vec vec_relu(vec x)
{
    return vec_max(vec_set1(0.0f), x);
}

/* max(x, 0), but NaN for -inf: |x|/2 + x/2. */
ALWAYS_INLINE vec vec_positive_part(vec x)
{
    vec half = vec_set1(0.5f);
    return vec_fma(vec_abs(x), half, vec_mul(x, half));
}

/* max(x, 0) - |x|/2 erfc(|x| / sqrt 2): no digits cancel on either side of zero. erfc is exp(-|x| Q(|x|)). */
ALWAYS_INLINE vec vec_gelu_erf(vec x)
{
    static const float coefficients[] = {0x1.9884ecp-1f,   0x1.45e8b6p-2f,  0x1.2ab296p-5f,  -0x1.46ba92p-8f,
                                         0x1.2e8a08p-13f,  0x1.ff6d18p-14f, -0x1.0a71ep-15f, 0x1.0db8fep-18f,
                                         -0x1.33440cp-22f, 0x1.75d17ep-27f, -0x1.7937ccp-33f};
    vec a = vec_min(vec_set1(GELU_ERF_CUT), vec_abs(x));
    vec t = vec_mul(a, vec_polynomial(a, coefficients, 11));
    vec tail = vec_exp(vec_sub(vec_set1(0.0f), t));
    return vec_fnma(vec_mul(vec_set1(0.5f), a), tail, vec_positive_part(x));
}

/* max(x, 0) - a e / (1 + e), e = exp(-u): the form that GELU-tanh and SiLU share, for x/2 (1 + tanh(u/2)) = x
 * / (1 + exp(-u)). */
ALWAYS_INLINE vec vec_gated(vec x, vec a, vec u)
{
    vec e = vec_exp(vec_sub(vec_set1(0.0f), u));
    vec share = vec_div(e, vec_add(vec_set1(1.0f), e));
    return vec_fnma(a, share, vec_positive_part(x));
}

ALWAYS_INLINE vec vec_gelu_tanh(vec x)
{
    vec a = vec_min(vec_set1(GELU_TANH_CUT), vec_abs(x));
    vec cubic = vec_fma(vec_mul(a, a), vec_set1(0.044715f), vec_set1(1.0f));
    vec u = vec_mul(vec_mul(a, vec_set1(1.5957691216f)), cubic); /* 2 sqrt(2 / pi) */
    return vec_gated(x, a, u);
}

/* Both GELUs for products of less precision, whose operands are rounded far more: max(x, 0) - a T(a - center)
 * with a T the second term itself. Within 1.1e-5; half the work. */
ALWAYS_INLINE vec vec_gelu_short(vec x, float cut, float center, const float coefficients[11])
{
    vec a = vec_min(vec_set1(cut), vec_abs(x));
    vec t = vec_polynomial(vec_sub(a, vec_set1(center)), coefficients, 11);
    return vec_fnma(a, t, vec_positive_part(x));
}

ALWAYS_INLINE vec vec_gelu_erf_short(vec x)
{
    static const float coefficients[] = {0x1.96f2cp-8f,    -0x1.1edd3ap-6f, 0x1.66df6cp-6f,
                                         -0x1.f9381cp-7f,  0x1.8719bep-8f,  -0x1.2e8206p-11f,
                                         -0x1.23d954p-11f, 0x1.d79698p-13f, -0x1.5530bcp-18f,
                                         -0x1.985a1ap-17f, 0x1.f068380p-20f};
    return vec_gelu_short(x, 5.0f, 2.5f, coefficients);
}

ALWAYS_INLINE vec vec_gelu_tanh_short(vec x)
{
    static const float coefficients[] = {0x1.1a371ep-7f,  -0x1.87f2d6p-6f,  0x1.d50884p-6f,   -0x1.2e4672p-6f,
                                         0x1.87e212p-8f,  -0x1.87100cp-15f, -0x1.762b62p-11f, 0x1.b72930p-13f,
                                         0x1.0bd86ep-17f, -0x1.bd1768p-17f, 0x1.cc1786p-20f};
    return vec_gelu_short(x, 4.75f, 2.375f, coefficients);
}

ALWAYS_INLINE vec vec_silu(vec x)
{
    vec a = vec_min(vec_set1(SILU_CUT), vec_abs(x));
    return vec_gated(x, a, a);
}

/* e / (e + 2) with e = exp(2|x|) - 1, which keeps its digits near zero. From 2|x| = 20 on the quotient is
 * 1. */
ALWAYS_INLINE vec vec_tanh(vec x)
{
    vec power, one = vec_set1(1.0f);
    vec a = vec_min(vec_set1(10.0f), vec_abs(x));
    vec reduced = vec_expm1_reduced(vec_add(a, a), &power);
    vec e = vec_fma(power, reduced, vec_sub(power, one));
    return vec_copysign(vec_div(e, vec_add(e, vec_set1(2.0f))), x);
}

ALWAYS_INLINE vec vec_activate(enum precision precision, vec x, enum activation activation)
{
    if (precision != PRECISION_FP32 && activation == ACT_GELU_ERF)
        return vec_gelu_erf_short(x);
    if (precision != PRECISION_FP32 && activation == ACT_GELU_TANH)
        return vec_gelu_tanh_short(x);
    switch (activation) {
    case ACT_NONE:
        return x;
    case ACT_GELU_ERF:
        return vec_gelu_erf(x);
    case ACT_GELU_TANH:
        return vec_gelu_tanh(x);
    case ACT_RELU:
        return vec_relu(x);
    case ACT_SILU:
        return vec_silu(x);
    case ACT_TANH:
        return vec_tanh(x);
    }
    return x;
}
