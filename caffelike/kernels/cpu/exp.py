"""Exp; see layers/exp.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.cpu.vector_math import exp
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray, inner: float, outer: float) -> None:
    """y = outer exp(inner x)."""
    _forward(x, y, inner, outer)


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray, inner: float) -> None:
    """dx = dy y inner."""
    _backward(dy, y, dx, inner)


@kernel
def _value(v, numbers):
    return np.float32(numbers[1]) * exp(np.float32(numbers[0]) * v)


@kernel
def _gradient(g, v, numbers):
    return g * (v * np.float32(numbers[0]))


_forward, _backward = unary(_value), binary(_gradient)
