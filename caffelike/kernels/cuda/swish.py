"""Swish; see layers/swish.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import sigmoid


def forward(x: Any, y: Any, beta: float) -> None:
    """y = x sigmoid(beta x)."""
    _forward(x, y, beta)


def backward(dy: Any, x: Any, dx: Any, beta: float) -> None:
    """dx = dy (s + beta x s (1 - s)) with s = sigmoid(beta x)."""
    _backward(dy, x, dx, beta)


@unary
def _forward(v, beta):
    return v * sigmoid(beta * v)


@binary
def _backward(g, v, beta):
    scaled = beta * v
    gate = sigmoid(scaled)
    return g * (gate + scaled * gate * (np.float32(1) - gate))
