"""Crop; see layers/crop.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import fill
from caffelike.kernels.cuda.views import Sizes, put, steps_of, take


def forward(x: Any, y: Any, offset: Sizes) -> None:
    """y = the part of x."""
    steps = steps_of(x.shape)
    take(x, y, y.shape, steps, _start(offset, steps))


def backward(dy: Any, dx: Any, offset: Sizes) -> None:
    """dx = dy in its part, else 0."""
    fill(dx.reshape(-1), 0)
    steps = steps_of(dx.shape)
    put(dy, dx, dy.shape, steps, _start(offset, steps))


def _start(offset: Sizes, steps: Sizes) -> int:
    return sum(n * step for n, step in zip(offset, steps, strict=True))
