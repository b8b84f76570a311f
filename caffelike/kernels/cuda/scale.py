"""Scale; see layers/scale.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.spread import multiply_add, sums


def forward(x: Any, scale: Any, bias: Any, y: Any, axis: int) -> None:
    """y = x scale + bias."""
    multiply_add(x, scale, bias, y, axis)


def backward(
    dy: Any, x: Any, scale: Any, dx: Any, dscale: Any, dbias: Any, axis: int, learned: bool, beta: int
) -> None:
    """dscale = sum of dy x, dbias = sum of dy, then dx = dy scale, for dx may be dy."""
    if dscale is not None:
        sums(dy, x, scale, dscale, axis, beta if learned else 0)
    if dbias is not None:
        sums(dy, None, scale, dbias, axis, beta)
    if dx is not None:
        multiply_add(dy, scale, None, dx, axis)
