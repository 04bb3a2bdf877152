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

/* exp(r) - 1 for r = x - n ln 2, |r| <= ln 2 / 2, with n the nearest integer. */
ALWAYS_INLINE vec vec_expm1_reduced(vec x, vec *n)
{
    /* (exp(r) - 1 - r) / r^2 */
    static const float coefficients[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558bp-5f, 0x1.12398ep-7f,
                                         0x1.6a4d6p-10f};
    *n = vec_round(vec_mul(x, vec_set1(0x1.715476p+0f))); /* 1 / ln 2 */
    vec r = vec_fnma(*n, vec_set1(0x1.62e430p-1f), x);    /* ln 2, upper 24 bits */
    r = vec_fnma(*n, vec_set1(-0x1.05c610p-29f), r);      /* ln 2, the rest */
    return vec_fma(vec_mul(r, r), vec_polynomial(r, coefficients, 5), r);
}

/* Below -104 exp() is under half the least subnormal, above 89 past the greatest float. */
ALWAYS_INLINE vec vec_exp(vec x)
{
    vec n;
    x = vec_max(vec_set1(-104.0f), vec_min(vec_set1(89.0f), x));
    vec e = vec_add(vec_expm1_reduced(x, &n), vec_set1(1.0f));
    return vec_scale(e, n);
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

ALWAYS_INLINE vec vec_silu(vec x)
{
    vec a = vec_min(vec_set1(SILU_CUT), vec_abs(x));
    return vec_gated(x, a, a);
}

/* e / (e + 2) with e = exp(2|x|) - 1, which keeps its digits near zero. From 2|x| = 20 on the quotient is
 * 1. */
ALWAYS_INLINE vec vec_tanh(vec x)
{
    vec n, one = vec_set1(1.0f);
    vec a = vec_min(vec_set1(10.0f), vec_abs(x));
    vec reduced = vec_expm1_reduced(vec_add(a, a), &n);
    vec power = vec_scale(one, n);
    vec e = vec_fma(power, reduced, vec_sub(power, one));
    return vec_copysign(vec_div(e, vec_add(e, vec_set1(2.0f))), x);
}

ALWAYS_INLINE vec vec_activate(vec x, enum activation activation)
{
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
