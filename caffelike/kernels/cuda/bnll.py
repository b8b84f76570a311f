"""BNLL; see layers/bnll.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import exp, log1p


def forward(x: Any, y: Any) -> None:
    """y = log(1 + exp(x))."""
    _forward(x, y)


def backward(dy: Any, y: Any, dx: Any) -> None:
    """dx = dy (1 - exp(-y))."""
    _backward(dy, y, dx)


@unary
def _forward(v):
    zero = np.float32(0)
    rest = log1p(exp(-abs(v)))
    return rest if v < zero else v + rest


@binary
def _backward(g, v):
    return g * (np.float32(1) - exp(-v))
