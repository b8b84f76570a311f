"""Slice; see layers/slice.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.parts import join, lengths


def forward(x: Any, ys: tuple[Any, ...], axis: int, points: tuple[int, ...]) -> None:
    """Its part of x to each top."""
    join(list(zip(ys, lengths(points, tuple(x.shape)[axis]), strict=True)), x, axis, True)


def backward(dys: tuple[Any, ...], dx: Any, axis: int, points: tuple[int, ...]) -> None:
    """dx = the tops' gradients one after the other, 0 where there is none."""
    join(list(zip(dys, lengths(points, tuple(dx.shape)[axis]), strict=True)), dx, axis, False)
