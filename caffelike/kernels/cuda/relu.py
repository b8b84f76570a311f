"""ReLU; see layers/relu.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device
from caffelike.kernels.cuda.pointwise import binary, unary


def forward(x: Any, y: Any, negative_slope: float) -> None:
    """y = max(x, 0) + negative_slope min(x, 0)."""
    _forward(x, y, negative_slope)


def backward(dy: Any, x: Any, y: Any, dx: Any, negative_slope: float) -> None:
    """dx = dy where the value was positive, negative_slope dy elsewhere."""
    _backward(dy, y if negative_slope >= 0 else x, dx, negative_slope)


@device
def rectified(v, slope):
    """max(v, 0) + slope min(v, 0)."""
    zero = np.float32(0)
    return (v if v > zero else zero) + slope * (zero if v > zero else v)  # NaN stays, 0 times infinity makes one


@unary
def _forward(v, slope):
    return rectified(v, slope)


@binary
def _backward(g, v, slope):
    return g * (np.float32(1) if v > 0 else slope)
