"""Concat; see layers/concat.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.parts import join, lengths


def forward(xs: tuple[Any, ...], y: Any, axis: int) -> None:
    """y = the bottoms one after the other."""
    join([(x, tuple(x.shape)[axis]) for x in xs], y, axis, False)


def backward(dy: Any, dxs: tuple[Any, ...], axis: int, points: tuple[int, ...]) -> None:
    """Its part of dy to each bottom that wants it."""
    join(list(zip(dxs, lengths(points, tuple(dy.shape)[axis]), strict=True)), dy, axis, True)
