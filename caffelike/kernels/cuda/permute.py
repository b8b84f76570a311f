"""Permute; see layers/permute.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.views import put, steps_of, take


def forward(x: Any, y: Any, order: tuple[int, ...]) -> None:
    """y = x with its axes in the new order."""
    steps = steps_of(x.shape)
    take(x, y, y.shape, [steps[axis] for axis in order])


def backward(dy: Any, dx: Any, order: tuple[int, ...]) -> None:
    """And back."""
    steps = steps_of(dx.shape)
    put(dy, dx, dy.shape, [steps[axis] for axis in order])
