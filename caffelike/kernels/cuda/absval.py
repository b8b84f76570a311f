"""AbsVal; see layers/absval.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import sign


def forward(x: Any, y: Any) -> None:
    """y = |x|."""
    _forward(x, y)


def backward(dy: Any, x: Any, dx: Any) -> None:
    """dx = dy sign(x)."""
    _backward(dy, x, dx)


@unary
def _forward(v):
    return abs(v)


@binary
def _backward(g, v):
    return g * sign(v)
