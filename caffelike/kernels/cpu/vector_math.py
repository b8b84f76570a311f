"""exp, log, tanh and the logistic function without branches, so that loops over them become vector code.

Numba calls the C library for each single value. Errors here are at most 2 units in the last place (sigmoid: 3);
0, infinities, NaN and denormal numbers are treated as the C library does. Coefficients: least squares, reweighted
until the largest relative error was smallest.
"""

import numpy as np

from caffelike.kernels.jit import kernel

_CONTRACT = frozenset({"contract"})  # a * b + c in one rounding, nothing else: the steps below rely on their order

_LOG2E = np.float32(1 / np.log(2))
_LN2_HIGH = np.float32(0.693359375)  # few bits, so that small multiples are exact
_LN2_LOW = np.float32(np.log(2) - 0.693359375)
_ROUND = np.float32(3 << 22)  # added to a small number it leaves the nearest integer in the low bits
_ROUND_BITS, _ROOT_HALF_BITS = np.int32(_ROUND.view(np.int32)), np.int32(np.float32(2**-0.5).view(np.int32))

_BIAS, _FRACTION = np.int32(127), np.int32(23)
_INFINITY, _NAN = np.float32(np.inf), np.float32(np.nan)
_TINY = np.finfo(np.float32).tiny


@kernel(fastmath=_CONTRACT)
def exp(x):
    """e^x."""
    x = np.float32(89) if x > np.float32(89) else (np.float32(-104) if x < np.float32(-104) else x)
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = np.float32(0.0013814465)
    p = p * r + np.float32(0.008368781)
    p = p * r + np.float32(0.041668393)
    p = p * r + np.float32(0.1666652)
    p = p * r + np.float32(0.49999994)
    p = (p * r) * r + r + np.float32(1)
    # times 2^n in two steps, either of which a float32 can hold
    e = np.int32(np.float32(shifted).view(np.int32) - _ROUND_BITS)
    half = np.int32(e >> np.int32(1))
    first, second = (half + _BIAS) << _FRACTION, (e - half + _BIAS) << _FRACTION
    return p * np.int32(first).view(np.float32) * np.int32(second).view(np.float32)


@kernel(fastmath=_CONTRACT)
def log(x):
    """The natural logarithm: -infinity for 0, NaN for negative numbers."""
    denormal = x < _TINY
    bits = np.float32(x * np.float32(1 << 23) if denormal else x).view(np.int32)
    # x = 2^e * (1 + f) with 1 + f from sqrt(1/2) to sqrt(2)
    above = np.int32(bits - _ROOT_HALF_BITS)
    e = np.float32(above >> _FRACTION) - (np.float32(23) if denormal else np.float32(0))
    rest = (above & np.int32(0x7FFFFF)) + _ROOT_HALF_BITS
    f = np.int32(rest).view(np.float32) - np.float32(1)
    p = np.float32(0.06750361)
    p = p * f + np.float32(-0.11678708)
    p = p * f + np.float32(0.11888219)
    p = p * f + np.float32(-0.12405115)
    p = p * f + np.float32(0.14219482)
    p = p * f + np.float32(-0.16668019)
    p = p * f + np.float32(0.20002122)
    p = p * f + np.float32(-0.25000009)
    p = p * f + np.float32(0.33333313)
    square = f * f
    small = (p * f) * square - np.float32(0.5) * square + e * _LN2_LOW
    value = (f + small) + e * _LN2_HIGH
    if x == 0:
        value = -_INFINITY
    return value if x >= 0 and x < _INFINITY else (x if x > 0 else _NAN)


@kernel(fastmath=_CONTRACT)
def tanh(x):
    """The hyperbolic tangent."""
    size = np.abs(x)
    z = x * x
    p = np.float32(-0.005717037)
    p = p * z + np.float32(0.020650579)
    p = p * z + np.float32(-0.053743497)
    p = p * z + np.float32(0.13331491)
    p = p * z + np.float32(-0.33333284)
    far = np.float32(1) - np.float32(2) / (exp(size + size) + np.float32(1))
    return x + (p * z) * x if size < np.float32(0.625) else np.copysign(far, x)


@kernel(fastmath=_CONTRACT)
def sigmoid(x):
    """1 / (1 + e^-x); 0 where that is below 2.9e-39."""
    return np.float32(1) / (np.float32(1) + exp(-x))


@kernel
def log1p(x):
    """log(1 + x) for x from 0 to 1, exact for small x too."""
    whole = np.float32(1) + x
    lost = x - (whole - np.float32(1))  # what the sum could not hold
    return log(whole) + lost / whole
