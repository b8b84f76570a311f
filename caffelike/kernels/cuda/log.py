"""Log; see layers/log.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import log


def forward(x: Any, y: Any, factor: float, scale: float, shift: float) -> None:
    """y = factor log(shift + scale x)."""
    _forward(x, y, factor, scale, shift)


def backward(dy: Any, x: Any, dx: Any, factor: float, scale: float, shift: float) -> None:
    """dx = dy factor scale / (shift + scale x)."""
    _backward(dy, x, dx, factor * scale, scale, shift)


@unary
def _forward(v, factor, scale, shift):
    return factor * log(v * scale + shift)


@binary
def _backward(g, v, slope, scale, shift):
    return g * (slope / (shift + scale * v))
