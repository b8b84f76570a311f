"""TanH; see layers/tanh.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import tanh


def forward(x: Any, y: Any) -> None:
    """y = tanh(x)."""
    _forward(x, y)


def backward(dy: Any, y: Any, dx: Any) -> None:
    """dx = dy (1 - y^2)."""
    _backward(dy, y, dx)


@unary
def _forward(v):
    return tanh(v)


@binary
def _backward(g, v):
    return g * (np.float32(1) - v * v)
