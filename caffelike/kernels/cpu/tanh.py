"""TanH; see layers/tanh.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.cpu.vector_math import tanh
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """y = tanh(x)."""
    _forward(x, y)


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """dx = dy (1 - y^2)."""
    _backward(dy, y, dx)


@kernel
def _value(v, numbers):
    return tanh(v)


@kernel
def _gradient(g, v, numbers):
    return g * (np.float32(1) - v * v)


_forward, _backward = unary(_value), binary(_gradient)
