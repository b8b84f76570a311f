"""Bias; see layers/bias.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.spread import multiply_add, sums


def forward(x: np.ndarray, bias: np.ndarray, y: np.ndarray, axis: int) -> None:
    """y = x + bias."""
    multiply_add(x, None, bias, y, axis)


def backward(
    dy: np.ndarray,
    bias: np.ndarray,
    dx: np.ndarray | None,
    dbias: np.ndarray | None,
    axis: int,
    learned: bool,
    beta: int,
) -> None:
    """dbias = sum of dy, dx = dy."""
    if dbias is not None:
        sums(dy, None, bias, dbias, axis, beta if learned else 0)
    if dx is not None and dx is not dy:
        np.copyto(dx, dy)
