"""Reorg; see layers/reorg.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.views import Sizes, put, take


def forward(x: Any, y: Any, stride: int, reverse: bool) -> None:
    """Read squares, or write them."""
    (put if reverse else take)(x, y, *_squares(x, stride))


def backward(dy: Any, dx: Any, stride: int, reverse: bool) -> None:
    """The other way round."""
    (take if reverse else put)(dy, dx, *_squares(dx, stride))


def _squares(x: Any, s: int) -> tuple[Sizes, Sizes]:
    """Lengths and steps that read the memory of (N, C / s^2, s H, s W) as (N, a, b, C / s^2, H, W)."""
    n, c, h, w = (int(v) for v in x.shape)
    few, row = c // (s * s), s * w
    plane = s * h * row
    return (n, s, s, few, h, w), (few * plane, row, 1, plane, s * row, s)
