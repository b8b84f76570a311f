"""Dropout; see layers/dropout.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task, zeros
from caffelike.kernels.cuda.philox import bits, least, words
from caffelike.kernels.cuda.pointwise import binary, unary


def forward(x: Any, y: Any, mask: Any, key: np.ndarray | None, ratio: float, train: bool, factor: float) -> None:
    """y = factor x where the value's random number is at least the ratio, else 0; everywhere unless `train`."""
    if not train or key is None:
        _scaled(x, y, factor)
        return
    kept = zeros(x.size, np.uint8) if mask is None else mask.reshape(-1)
    _forward(x.size, x.reshape(-1), y.reshape(-1), kept, *words(key), least(ratio), factor)


def backward(dy: Any, mask: Any, dx: Any, factor: float) -> None:
    """dx = factor dy for the values kept, else 0; without a mask for all."""
    if mask is not None:
        _backward(dy, mask, dx, factor)
    else:
        _scaled(dy, dx, factor)


@task
def _forward(i, x, y, mask, k0, k1, low, high, least, factor):
    keep = (bits(i, k0, k1, low, high) >> 8) >= least
    mask[i] = keep
    y[i] = x[i] * (factor if keep else np.float32(0))


@unary
def _scaled(v, factor):
    return v * factor


@binary
def _backward(g, kept, factor):
    return g * (factor if kept else np.float32(0))
