"""Log; see layers/log.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.cpu.vector_math import log
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray, factor: float, scale: float, shift: float) -> None:
    """y = factor log(shift + scale x)."""
    _forward(x, y, factor, scale, shift)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, factor: float, scale: float, shift: float) -> None:
    """dx = dy factor scale / (shift + scale x)."""
    _backward(dy, x, dx, factor, scale, shift)


@kernel
def _value(v, numbers):
    factor, scale, shift = np.float32(numbers[0]), np.float32(numbers[1]), np.float32(numbers[2])
    return factor * log(v * scale + shift)


@kernel
def _gradient(g, v, numbers):
    scale, shift = np.float32(numbers[1]), np.float32(numbers[2])
    return g * (np.float32(numbers[0] * numbers[1]) / (shift + scale * v))


_forward, _backward = unary(_value), binary(_gradient)
