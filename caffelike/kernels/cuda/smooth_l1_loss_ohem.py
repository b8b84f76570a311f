"""SmoothL1LossOHEM; see layers/smooth_l1_loss_ohem.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.smooth_l1 import smooth_l1, smooth_l1_slope
from caffelike.kernels.cuda.sums import summed

_PLAIN = 1.0  # sigma^2


def forward(
    x: Any, target: Any, weight: Any, loss: Any, each: Any, difference: Any, normalization: str | float
) -> None:
    """The sum of f, and that of each place."""
    gap = empty(x.size) if difference is None else difference.reshape(-1)
    factors = gap if weight is None else weight.reshape(-1)
    _gaps(x.size, x.reshape(-1), target.reshape(-1), factors, gap, weight is not None)
    total = empty(1)
    _losses(1, x.size, total, 0, gap, _PLAIN)
    divide(1, total, total, loss.reshape(-1), False, _divisor(x, normalization))
    if each is not None:
        channels, inner = int(x.shape[1]), int(np.prod(tuple(x.shape)[2:], dtype=np.int64))
        _places(each.size, channels, each.reshape(-1), 0, gap, _PLAIN, channels, inner)


def backward(dloss: Any, weight: Any, difference: Any, dx: Any, dtarget: Any, normalization: str | float) -> None:
    """f', weighted."""
    gap = difference.reshape(-1)
    factors = gap if weight is None else weight.reshape(-1)
    for to, way in ((dx, 1.0), (dtarget, -1.0)):
        if to is not None:
            share = way / max(1.0, _divisor(difference, normalization))
            _backward(gap.size, dloss.reshape(-1), gap, factors, weight is not None, to.reshape(-1), _PLAIN, share)


def _divisor(x: Any, normalization: str | float) -> float:
    """What the sum is divided by: all places are valid here."""
    inner = int(np.prod(tuple(x.shape)[2:], dtype=np.int64))
    by_valid, divisor = labels.fixed(normalization, x.shape[0] * inner, inner)
    return float(x.shape[0] * inner) if by_valid else divisor


@task
def _gaps(i, x, target, factors, gap, weighted):
    v = x[i] - target[i]
    gap[i] = v * factors[i] if weighted else v


@summed
def _losses(o, i, gap, square):
    return smooth_l1(gap[i], square)


@summed
def _places(place, c, gap, square, channels, inner):
    return smooth_l1(gap[(place // inner * channels + c) * inner + place % inner], square)


@task
def _backward(i, dloss, gap, factors, weighted, to, square, share):
    slope = smooth_l1_slope(gap[i], square) * (dloss[0] * share)
    to[i] = slope * factors[i] if weighted else slope
