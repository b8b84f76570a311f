"""Sigmoid; see layers/sigmoid.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.cpu.vector_math import sigmoid
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """y = 1 / (1 + exp(-x))."""
    _forward(x, y)


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """dx = dy y (1 - y)."""
    _backward(dy, y, dx)


@kernel
def _value(v, numbers):
    return sigmoid(v)


@kernel
def _gradient(g, v, numbers):
    return g * (v * (np.float32(1) - v))


_forward, _backward = unary(_value), binary(_gradient)
