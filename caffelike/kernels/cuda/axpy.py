"""Axpy; see layers/axpy.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import copy, task
from caffelike.kernels.cuda.sums import summed


def forward(scale: Any, x: Any, shift: Any, y: Any) -> None:
    """y = scale x + shift, one scale for each item and channel."""
    places = x.size // max(1, scale.size)
    _forward(x.size, scale.reshape(-1), x.reshape(-1), shift.reshape(-1), y.reshape(-1), places)


def backward(dy: Any, scale: Any, x: Any, dscale: Any, dx: Any, dshift: Any) -> None:
    """dscale = sum(dy x) over each channel's places, dx = scale dy, dshift = dy."""
    places, g = x.size // max(1, scale.size), dy.reshape(-1)
    if dscale is not None:
        _dots(scale.size, places, dscale.reshape(-1), 0, g, x.reshape(-1), places)
    if dx is not None:
        _scaled(x.size, scale.reshape(-1), g, dx.reshape(-1), places)
    if dshift is not None:
        copy(dshift, dy)


@task
def _forward(i, scale, x, shift, y, places):
    y[i] = scale[i // places] * x[i] + shift[i]


@task
def _scaled(i, scale, dy, dx, places):
    dx[i] = scale[i // places] * dy[i]


@summed
def _dots(c, k, a, b, places):
    return a[c * places + k] * b[c * places + k]
