"""Flip; see layers/flip.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.views import Sizes, steps_of, take


def forward(x: Any, y: Any, axes: Sizes) -> None:
    """Mirror."""
    shape, steps, start = tuple(x.shape), list(steps_of(x.shape)), 0
    for axis in axes:
        start += (shape[axis] - 1) * steps[axis]
        steps[axis] = -steps[axis]
    take(x, y, shape, steps, start)


def backward(dy: Any, dx: Any, axes: Sizes) -> None:
    """Mirror back."""
    forward(dy, dx, axes)
