"""Bias; see layers/bias.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import copy
from caffelike.kernels.cuda.spread import multiply_add, sums


def forward(x: Any, bias: Any, y: Any, axis: int) -> None:
    """y = x + bias."""
    multiply_add(x, None, bias, y, axis)


def backward(dy: Any, bias: Any, dx: Any, dbias: Any, axis: int, learned: bool, beta: int) -> None:
    """dbias = sum of dy, dx = dy."""
    if dbias is not None:
        sums(dy, None, bias, dbias, axis, beta if learned else 0)
    if dx is not None and dx is not dy:
        copy(dx, dy)
