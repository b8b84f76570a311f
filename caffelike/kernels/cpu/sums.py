"""Sums over neighbouring values, in vector registers: the order of addition is not that of the values."""

import numpy as np

from caffelike.kernels.jit import SUMS, kernel


@kernel(fastmath=SUMS)
def total(x):
    """The sum of x."""
    result = np.float32(0)
    for i in range(x.size):
        result += x[i]
    return result


@kernel(fastmath=SUMS)
def dot(a, b):
    """The sum of a * b."""
    result = np.float32(0)
    for i in range(a.size):
        result += a[i] * b[i]
    return result


@kernel(fastmath=SUMS)
def squares(x, centre):
    """The sum of (x - centre)^2."""
    result = np.float32(0)
    for i in range(x.size):
        away = x[i] - centre
        result += away * away
    return result
