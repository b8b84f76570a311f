"""ReLU; see layers/relu.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.jit import kernel
from caffelike.kernels.replay import replayable


@replayable
def forward(x: np.ndarray, y: np.ndarray, negative_slope: float) -> None:
    """y = max(x, 0) + negative_slope min(x, 0)."""
    _forward(x, y, negative_slope)


@replayable
def backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray, dx: np.ndarray, negative_slope: float) -> None:
    """dx = dy where the value was positive, negative_slope dy elsewhere."""
    _backward(dy, y if negative_slope >= 0 else x, dx, negative_slope)


@kernel
def _value(v, numbers):
    zero = np.float32(0)
    above, below = (v, zero) if v > zero else (zero, v)
    return above + np.float32(numbers[0]) * below  # NaN stays, and 0 times infinity makes one


@kernel
def _gradient(g, v, numbers):
    return g * (np.float32(1) if v > 0 else np.float32(numbers[0]))


_forward, _backward = unary(_value), binary(_gradient)
