"""Sigmoid; see layers/sigmoid.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import sigmoid


def forward(x: Any, y: Any) -> None:
    """y = 1 / (1 + exp(-x))."""
    _forward(x, y)


def backward(dy: Any, y: Any, dx: Any) -> None:
    """dx = dy y (1 - y)."""
    _backward(dy, y, dx)


@unary
def _forward(v):
    return sigmoid(v)


@binary
def _backward(g, v):
    return g * (v * (np.float32(1) - v))
