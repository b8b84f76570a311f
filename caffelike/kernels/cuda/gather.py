"""Gather and the other copiers of layers/gather.py, which see for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import copy, fill


def forward(xs: tuple[Any, ...], ys: tuple[Any, ...]) -> None:
    """Copy."""
    for x, y in zip(xs, ys, strict=True):
        copy(y, x)


def backward(dys: tuple[Any, ...], dxs: tuple[Any, ...]) -> None:
    """Copy back."""
    for dy, dx in zip(dys, dxs, strict=True):
        if dx is not None and dy is not None:
            copy(dx, dy)
        elif dx is not None:
            fill(dx.reshape(-1), 0)
