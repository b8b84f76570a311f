"""Axpy; see layers/axpy.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.sums import dot
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk, more or less


def forward(scale: np.ndarray, x: np.ndarray, shift: np.ndarray, y: np.ndarray) -> None:
    """y = scale x + shift, one scale for each item and channel."""
    planes, places = scale.size, x.size // max(1, scale.size)
    arrays = (scale.reshape(-1), x.reshape(-1), shift.reshape(-1), y.reshape(-1))
    _forward(planes, max(1, _GRAIN // max(1, places)), *arrays, places)


def backward(
    dy: np.ndarray,
    scale: np.ndarray,
    x: np.ndarray,
    dscale: np.ndarray | None,
    dx: np.ndarray | None,
    dshift: np.ndarray | None,
) -> None:
    """dscale = sum(dy x) over each channel's places, dx = scale dy, dshift = dy."""
    planes, places = scale.size, x.size // max(1, scale.size)
    grain = max(1, _GRAIN // max(1, places))
    if dscale is not None:
        _dots(planes, grain, dy.reshape(-1), x.reshape(-1), dscale.reshape(-1), places)
    if dx is not None:
        _scaled(planes, grain, scale.reshape(-1), dy.reshape(-1), dx.reshape(-1), places)
    if dshift is not None:
        np.copyto(dshift, dy)


@task
def _forward(worker, lo, hi, scale, x, shift, y, places):
    """The planes lo..hi."""
    for p in range(lo, hi):
        factor, begin, end = scale[p], p * places, (p + 1) * places
        a, b, out = x[begin:end], shift[begin:end], y[begin:end]
        for i in range(places):
            out[i] = factor * a[i] + b[i]


@task
def _scaled(worker, lo, hi, scale, x, y, places):
    """The planes lo..hi, each times its scale."""
    for p in range(lo, hi):
        factor, begin, end = scale[p], p * places, (p + 1) * places
        a, out = x[begin:end], y[begin:end]
        for i in range(places):
            out[i] = factor * a[i]


@task
def _dots(worker, lo, hi, a, b, out, places):
    """The products of the planes lo..hi, added up."""
    for p in range(lo, hi):
        out[p] = dot(a[p * places : (p + 1) * places], b[p * places : (p + 1) * places])
