"""ReLU6; see layers/relu6.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import binary, unary


def forward(x: Any, y: Any, negative_slope: float) -> None:
    """y = min(max(x, 0), 6) + negative_slope min(x, 0)."""
    if negative_slope:
        _leaky(x, y, negative_slope)
    else:
        _forward(x, y)


def backward(dy: Any, x: Any, y: Any, dx: Any, negative_slope: float) -> None:
    """dx = dy from 0 to 6, 0 above, negative_slope dy below."""
    _backward(dy, y if negative_slope >= 0 else x, dx, negative_slope)


@unary
def _forward(v):
    if v > np.float32(6):
        return np.float32(6)
    return np.float32(0) if v < 0 else v


@unary
def _leaky(v, slope):
    if v > np.float32(6):
        return np.float32(6) + slope * np.float32(0)
    return v * slope if v < 0 else v


@binary
def _backward(g, v, slope):
    return g * ((np.float32(1) if v < np.float32(6) else np.float32(0)) if v > 0 else slope)
