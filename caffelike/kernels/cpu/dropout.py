"""Dropout; see layers/dropout.py for the definition."""

import math

import numpy as np

from caffelike.kernels.cpu.philox import philox
from caffelike.kernels.cpu.pointwise import binary
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

_GRAIN = 4096  # values in a chunk: a multiple of 4, so that it begins with a block of random numbers
_NONE = np.empty(0, np.uint8)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None,
    key: np.ndarray | None,
    ratio: float,
    train: bool,
    factor: float,
) -> None:
    """y = factor x where the value's random number is at least the ratio, else 0; everywhere unless `train`."""
    if not train:
        _whole(x, y, factor)
        return
    # uniform = (bits >> 8) / 2^24 >= ratio, in whole numbers
    least = math.ceil(float(np.float32(ratio)) * 2**24)
    mask = _NONE if mask is None else mask.reshape(-1)
    _forward(x.size, _GRAIN, x.reshape(-1), y.reshape(-1), mask, key, least, factor)


def backward(dy: np.ndarray, mask: np.ndarray | None, dx: np.ndarray, factor: float) -> None:
    """dx = factor dy for the values kept, else 0; without a mask for all."""
    if mask is not None:
        _backward(dy, mask, dx, factor)
    else:
        _whole(dy, dx, factor)


def _whole(x: np.ndarray, y: np.ndarray, factor: float) -> None:
    if factor != 1:
        np.multiply(x, np.float32(factor), out=y)
    elif y is not x:
        np.copyto(y, x)


@task
def _forward(worker, lo, hi, x, y, mask, key, least, factor):
    bits = np.empty(_GRAIN, np.uint32)
    n, least, factor, zero = hi - lo, np.uint32(least), np.float32(factor), np.float32(0)
    philox(key, lo // 4, (n + 3) // 4, bits)
    x, y = x[lo:hi], y[lo:hi]
    if mask.size:
        mask = mask[lo:hi]
        for i in range(n):
            mask[i] = (bits[i] >> np.uint32(8)) >= least
    if x.ctypes.data == y.ctypes.data:
        for i in range(n):
            y[i] = y[i] * (factor if (bits[i] >> np.uint32(8)) >= least else zero)
    else:
        for i in range(n):
            y[i] = x[i] * (factor if (bits[i] >> np.uint32(8)) >= least else zero)


@kernel
def _gradient(g, kept, numbers):
    return g * (np.float32(numbers[0]) if kept else np.float32(0))


_backward = binary(_gradient)
