"""Scale; see layers/scale.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.spread import multiply_add, multiply_back, sums


def forward(x: np.ndarray, scale: np.ndarray, bias: np.ndarray | None, y: np.ndarray, axis: int) -> None:
    """y = x scale + bias."""
    multiply_add(x, scale, bias, y, axis)


def forward_relu(
    x: np.ndarray, scale: np.ndarray, bias: np.ndarray | None, y: np.ndarray, axis: int, negative_slope: float
) -> None:
    """`forward`, then ReLU on y, in one pass."""
    multiply_add(x, scale, bias, y, axis, True, negative_slope)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    axis: int,
    learned: bool,
    beta: int,
) -> None:
    """dscale = sum of dy x, dbias = sum of dy, then dx = dy scale, for dx may be dy."""
    if dscale is not None and dx is not None:
        multiply_back(dy, x, scale, dx, dscale, dbias, axis, beta if learned else 0, beta)
        return
    if dscale is not None:
        sums(dy, x, scale, dscale, axis, beta if learned else 0)
    if dbias is not None:
        sums(dy, None, scale, dbias, axis, beta)
    if dx is not None:
        multiply_add(dy, scale, None, dx, axis)
