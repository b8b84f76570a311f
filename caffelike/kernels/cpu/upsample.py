"""Upsample; see layers/upsample.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.unpool import put_back, take_out
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values of the larger image in a chunk, more or less


def forward(x: np.ndarray, mask: np.ndarray | None, y: np.ndarray, scale: tuple[int, int]) -> None:
    """Each pixel scale times, or at the place that the mask names."""
    if mask is not None:
        put_back(x, mask, y)
    elif x.size:
        _repeat(*_lines(x, scale), x.reshape(-1), y.reshape(-1), x.shape[3], scale)


def backward(dy: np.ndarray, mask: np.ndarray | None, dx: np.ndarray, scale: tuple[int, int]) -> None:
    """The sum of each pixel's copies, or what stands at its place."""
    if mask is not None:
        take_out(dy, mask, dx)
    elif dx.size:
        _sum(*_lines(dx, scale), dy.reshape(-1), dx.reshape(-1), dx.shape[3], scale)


def _lines(image: np.ndarray, scale: tuple[int, int]) -> tuple[int, int]:
    """How many rows an image has, and how many a chunk."""
    return image.size // image.shape[3], max(1, _GRAIN // (image.shape[3] * scale[0] * scale[1]))


@task
def _repeat(worker, lo, hi, x, y, width, scale):
    """The rows lo..hi of x."""
    high, wide = scale
    length = width * wide
    for row in range(lo, hi):
        values, first = x[row * width : (row + 1) * width], y[row * high * length : (row * high + 1) * length]
        for j in range(width):
            for k in range(wide):
                first[j * wide + k] = values[j]
        for i in range(1, high):
            copy = y[(row * high + i) * length : (row * high + i + 1) * length]
            for j in range(length):
                copy[j] = first[j]


@task
def _sum(worker, lo, hi, dy, dx, width, scale):
    """The rows lo..hi of dx."""
    high, wide = scale
    length = width * wide
    for row in range(lo, hi):
        values = dx[row * width : (row + 1) * width]
        for j in range(width):
            values[j] = 0
        for i in range(high):
            line = dy[(row * high + i) * length : (row * high + i + 1) * length]
            for j in range(width):
                result = values[j]
                for k in range(j * wide, (j + 1) * wide):
                    result += line[k]
                values[j] = result
