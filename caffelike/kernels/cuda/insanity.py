"""Insanity; see layers/insanity.py for the definition."""

import math
from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.philox import bits, words
from caffelike.kernels.cuda.pointwise import binary, unary


def forward(x: Any, y: Any, divisor: Any, key: np.ndarray | None, low: float, high: float, train: bool) -> None:
    """Divide what is not positive."""
    if not train or key is None:
        _by_mean(x, y, _mean(low, high))
        return
    kept = empty(x.size) if divisor is None else divisor.reshape(-1)
    _forward(x.size, x.reshape(-1), y.reshape(-1), kept, *words(key), low, high - low)


def backward(dy: Any, y: Any, divisor: Any, dx: Any, low: float, high: float) -> None:
    """The same for the gradient."""
    if divisor is None:
        _back_by_mean(dy, y, dx, _mean(low, high))
    else:
        _backward(dx.size, dy.reshape(-1), y.reshape(-1), divisor.reshape(-1), dx.reshape(-1))


def _mean(low: float, high: float) -> float:
    return float((high - low) / math.log(high / low))


@unary
def _by_mean(v, mean):
    return v if v > 0 else v / mean


@binary
def _back_by_mean(g, v, mean):
    return g if v > 0 else g / mean


@task
def _forward(i, x, y, divisor, k0, k1, first, second, low, span):
    u = low + span * (np.float32(bits(i, k0, k1, first, second) >> 8) * np.float32(2**-24))
    divisor[i] = u
    y[i] = x[i] if x[i] > 0 else x[i] / u


@task
def _backward(i, dy, y, divisor, dx):
    dx[i] = dy[i] if y[i] > 0 else dy[i] / divisor[i]
