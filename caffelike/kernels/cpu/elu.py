"""ELU; see layers/elu.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.cpu.vector_math import exp
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray, alpha: float, scale: float) -> None:
    """y = scale x where x is positive, scale alpha (exp(x) - 1) elsewhere."""
    _forward(x, y, alpha, scale)


def backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray, dx: np.ndarray, alpha: float, scale: float) -> None:
    """dx = scale dy where x is positive, dy (y + scale alpha) elsewhere."""
    if alpha >= 0:
        _backward(dy, y, dx, scale * alpha, scale)
    else:  # the sign of y does not tell that of x
        np.multiply(dy, np.where(x > 0, np.float32(scale), y + np.float32(scale * alpha)), out=dx)


@kernel
def _value(v, numbers):
    zero = np.float32(0)
    above, below = (v, zero) if v > zero else (zero, v)
    return np.float32(numbers[1]) * (above + np.float32(numbers[0]) * (exp(below) - np.float32(1)))


@kernel
def _gradient(g, v, numbers):
    return g * (np.float32(numbers[1]) if v > 0 else v + np.float32(numbers[0]))


_forward, _backward = unary(_value), binary(_gradient)
