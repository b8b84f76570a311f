"""Clip; see layers/clip.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray, low: float, high: float) -> None:
    """y = max(min(x, high), low); low for NaN."""
    _forward(x, y, low, high)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, low: float, high: float) -> None:
    """dx = dy from low to high, else 0."""
    _backward(dy, x, dx, low, high)


@kernel
def _value(v, numbers):
    low, high = np.float32(numbers[0]), np.float32(numbers[1])
    v = high if v > high else v
    return v if v > low else low


@kernel
def _gradient(g, v, numbers):
    low, high = np.float32(numbers[0]), np.float32(numbers[1])
    return g * (np.float32(1) if v >= low and v <= high else np.float32(0))


_forward, _backward = unary(_value), binary(_gradient)
