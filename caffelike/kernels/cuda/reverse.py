"""Reverse; see layers/reverse.py for the definition."""

from typing import Any

from caffelike.kernels.cuda import flip


def forward(x: Any, y: Any, axis: int) -> None:
    """Turn round."""
    flip.forward(x, y, (axis,))


def backward(dy: Any, dx: Any, axis: int) -> None:
    """Turn round again."""
    flip.forward(dy, dx, (axis,))
