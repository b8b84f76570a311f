"""AbsVal; see layers/absval.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """y = |x|."""
    _forward(x, y)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray) -> None:
    """dx = dy sign(x)."""
    _backward(dy, x, dx)


@kernel
def _value(v, numbers):
    return np.abs(v)


@kernel
def _gradient(g, v, numbers):
    return g * np.sign(v)


_forward, _backward = unary(_value), binary(_gradient)
