"""exp, log and the like of one number in single precision, for kernels.

On the GPU they are those of CUDA's library. The simulator takes NumPy's, which give infinity where Python's `math`
raises; there is no other difference.
"""

import math

import numpy as np

from caffelike.kernels.cuda.door import SIMULATED, device

if SIMULATED:
    exp, expm1, log, log1p, sqrt, tanh, power = np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.tanh, np.power
else:
    exp, expm1, log, log1p = math.exp, math.expm1, math.log, math.log1p
    sqrt, tanh, power = math.sqrt, math.tanh, math.pow

LARGEST = np.float32(np.finfo(np.float32).max)
TINIEST = np.float32(np.finfo(np.float32).tiny)
LOG_THRESHOLD = np.float32(1e-20)  # the smallest probability that some losses take the logarithm of


@device
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return np.float32(1) / (np.float32(1) + exp(-x))


@device
def sign(x):
    """-1, 0 or 1; NaN for NaN."""
    if x > 0:
        return np.float32(1)
    if x < 0:
        return np.float32(-1)
    return x


@device
def finite(x):
    """Whether a number is neither infinite nor NaN."""
    return x - x == 0


@device
def larger(a, b):
    """The larger of two numbers; b if either is NaN."""
    return a if a > b else b
