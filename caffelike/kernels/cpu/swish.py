"""Swish; see layers/swish.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.cpu.vector_math import sigmoid
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray, beta: float) -> None:
    """y = x sigmoid(beta x)."""
    _forward(x, y, beta)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, beta: float) -> None:
    """dx = dy (s + beta x s (1 - s)) with s = sigmoid(beta x)."""
    _backward(dy, x, dx, beta)


@kernel
def _value(v, numbers):
    return v * sigmoid(np.float32(numbers[0]) * v)


@kernel
def _gradient(g, v, numbers):
    scaled = np.float32(numbers[0]) * v
    gate = sigmoid(scaled)
    return g * (gate + scaled * gate * (np.float32(1) - gate))


_forward, _backward = unary(_value), binary(_gradient)
