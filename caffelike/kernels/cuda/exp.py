"""Exp; see layers/exp.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import exp


def forward(x: Any, y: Any, inner: float, outer: float) -> None:
    """y = outer exp(inner x)."""
    _forward(x, y, inner, outer)


def backward(dy: Any, y: Any, dx: Any, inner: float) -> None:
    """dx = dy y inner."""
    _backward(dy, y, dx, inner)


@unary
def _forward(v, inner, outer):
    return outer * exp(inner * v)


@binary
def _backward(g, v, inner):
    return g * (v * inner)
