"""Clip; see layers/clip.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import binary, unary


def forward(x: Any, y: Any, low: float, high: float) -> None:
    """y = max(min(x, high), low); low for NaN."""
    _forward(x, y, low, high)


def backward(dy: Any, x: Any, dx: Any, low: float, high: float) -> None:
    """dx = dy from low to high, else 0."""
    _backward(dy, x, dx, low, high)


@unary
def _forward(v, low, high):
    v = high if v > high else v
    return v if v > low else low


@binary
def _backward(g, v, low, high):
    return g * (np.float32(1) if v >= low and v <= high else np.float32(0))
