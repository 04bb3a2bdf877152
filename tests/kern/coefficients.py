"""Fits the polynomials of src/kern/math_tmpl.h and prints them, with their errors in exact arithmetic.

Needs numpy and mpmath. Each fit minimises the greatest weighted error over Chebyshev points (Lawson's iteration); each
coefficient in turn is then rounded to float32 and the others are fitted anew, so that rounding costs little.
"""

import mpmath
import numpy

POINTS = 3000
mpmath.mp.dps = 40


def chebyshev_points(low, high):
    return (low + high) / 2 - (high - low) / 2 * numpy.cos(numpy.pi * (numpy.arange(POINTS) + 0.5) / POINTS)


def minimax(powers, target, weight):
    """The combination of the columns of `powers` with the least maximum of |difference to target| * weight."""
    share = numpy.ones(len(target)) / len(target)
    best, least = None, numpy.inf
    for _ in range(300):
        scale = numpy.sqrt(share) * weight
        solution = numpy.linalg.lstsq(powers * scale[:, None], target * scale, rcond=None)[0]
        error = numpy.abs(powers @ solution - target) * weight
        if error.max() < least:
            best, least = solution, error.max()
        share *= error / error.max() + 1e-12
        share /= share.sum()
    return best


def fit(name, low, high, degree, function, weight_of):
    x = chebyshev_points(low, high)
    target = numpy.array([float(function(mpmath.mpf(v))) for v in x])
    weight = weight_of(x)
    # Columns scaled to at most 1 keep the least squares well conditioned.
    powers = numpy.vander(x / high, degree + 1, increasing=True)
    unit = high ** numpy.arange(degree + 1)
    rest, fixed = target.copy(), []
    for i in range(degree + 1):
        c = numpy.float32(minimax(powers[:, i:], rest, weight)[0] / unit[i])
        fixed.append(c)
        rest -= powers[:, i] * float(c) * unit[i]
    print(f"{name}: error {numpy.abs(rest * weight).max():.2e}")
    print("    " + ", ".join(hex_float(c) for c in fixed))


def hex_float(c):
    mantissa, exponent = float(c).hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}f"


def exp_rest(r):
    return (mpmath.exp(r) - 1 - r) / r**2


def log_erfc(a):
    """Q with erfc(a / sqrt 2) = exp(-a Q(a))."""
    return -mpmath.log(mpmath.erfc(a / mpmath.sqrt(2))) / a


def gelu_weight(a):
    """Turns an error of Q into one of GELU relative to max(1, |x|); where that is nothing, into 1e-6 of erfc's own."""
    erfc = numpy.array([float(mpmath.erfc(mpmath.mpf(v) / mpmath.sqrt(2))) for v in a])
    return numpy.maximum(a * a / 2 * erfc / numpy.maximum(1, a), 1e-6 * a)


def fit_gelu_short(name, cut, tail):
    """a T(a - center) for tail(a), 0 <= a <= cut, center = cut / 2: T has 11 coefficients."""
    a = chebyshev_points(1e-9, cut)
    target = numpy.array([float(tail(mpmath.mpf(v))) for v in a])
    unit = (cut / 2) ** numpy.arange(11)
    powers = a[:, None] * numpy.vander(2 * a / cut - 1, 11, increasing=True)
    fixed = (minimax(powers, target, numpy.ones(POINTS)) / unit).astype(numpy.float32)
    print(f"{name}: error {numpy.abs(powers @ (fixed * unit) - target).max():.2e}")
    print("    " + ", ".join(hex_float(c) for c in fixed))


def erf_tail(a):
    return a / 2 * mpmath.erfc(a / mpmath.sqrt(2))


def tanh_tail(a):
    return a / (1 + mpmath.exp(2 * mpmath.sqrt(2 / mpmath.pi) * (a + mpmath.mpf("0.044715") * a**3)))


half = float(mpmath.log(2)) / 2 * 1.0005  # rounding x / ln 2 may land a little past the half
fit("(exp(r) - 1 - r) / r^2, relative to exp(r)", -half, half, 4, exp_rest, lambda r: r**2 * numpy.exp(-r))
fit("-ln erfc(a / sqrt 2) / a, as an error of GELU", 1e-9, 14.5, 10, log_erfc, gelu_weight)
fit_gelu_short("max(a, 0) - GELU-erf(a)", 5.0, erf_tail)
fit_gelu_short("max(a, 0) - GELU-tanh(a)", 4.75, tanh_tail)
