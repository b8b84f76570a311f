"""BN; see layers/bn.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import copy, device, empty, fill, task
from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.sums import summed


def forward(
    x: Any,
    y: Any,
    batch_mean: Any,
    batch_variance: Any,
    slope: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    deviation: Any,
    normal: Any,
    statistics: str,
    eps: float,
    share: float,
) -> None:
    """Choose the statistics, move the running ones, normalise, scale. An empty batch changes nothing."""
    if x.size == 0:
        return
    channels, inner = slope.size, int(np.prod(tuple(x.shape)[2:], dtype=np.int64))
    v, centre, spread = x.reshape(-1), empty(channels), empty(channels)
    root = empty(channels) if deviation is None else deviation
    if statistics == "none":
        for array, value in ((centre, 0), (spread, 1), (root, 1)):
            fill(array, value)
    else:
        if statistics == "running" and mean is not None and variance is not None:
            copy(centre, mean.reshape(-1))
            copy(spread, variance.reshape(-1))
        else:
            each = x.size // channels
            _sums(channels, each, centre, 0, v, channels, inner)
            _divide(channels, centre, each)
            _squares(channels, each, spread, 0, v, centre, channels, inner)
            _divide(channels, spread, each)
            if mean is not None and variance is not None and share:
                _move(channels, mean.reshape(-1), centre, share)
                _move(channels, variance.reshape(-1), spread, share)
        _roots(channels, spread, root, eps)
    for top, used in ((batch_mean, centre), (batch_variance, spread)):
        if top is not None:
            copy(top.reshape(-1), used)
    to = y.reshape(-1)
    kept = to if normal is None else normal.reshape(-1)
    _forward(x.size, v, to, kept, centre, root, slope.reshape(-1), bias.reshape(-1), channels, inner)


def backward(
    dy: Any,
    slope: Any,
    deviation: Any,
    normal: Any,
    dx: Any,
    dslope: Any,
    dbias: Any,
    statistics: str,
    beta: float,
) -> None:
    """dx = slope (dy - mean(dy) - normal mean(dy normal)) / deviation; without the means where they are given."""
    channels, inner = slope.size, int(np.prod(tuple(dy.shape)[2:], dtype=np.int64))
    each, g, v = dy.size // max(1, channels), dy.reshape(-1), normal.reshape(-1)
    if dslope is not None:
        _dots(channels, each, dslope.reshape(-1), beta, g, v, channels, inner)
    if dbias is not None:
        _sums(channels, each, dbias.reshape(-1), beta, g, channels, inner)
    if dx is None or dx.size == 0:
        return
    level, slant, whole = empty(channels), empty(channels), statistics == "batch"
    if whole:
        _sums(channels, each, level, 0, g, channels, inner)
        _dots(channels, each, slant, 0, g, v, channels, inner)
    arrays = (g, v, level, slant, slope.reshape(-1), deviation, dx.reshape(-1))
    _backward(dx.size, *arrays, whole, each, channels, inner)


@device
def _at(c, k, channels, inner):
    """Where value k of channel c lies."""
    return (k // inner * channels + c) * inner + k % inner


@summed
def _sums(c, k, x, channels, inner):
    return x[_at(c, k, channels, inner)]


@summed
def _dots(c, k, a, b, channels, inner):
    at = _at(c, k, channels, inner)
    return a[at] * b[at]


@summed
def _squares(c, k, x, centre, channels, inner):
    v = x[_at(c, k, channels, inner)] - centre[c]
    return v * v


@task
def _divide(c, total, each):
    total[c] = total[c] / np.float32(each)


@task
def _move(c, running, now, share):
    running[c] = running[c] * (np.float32(1) - share) + share * now[c]


@task
def _roots(c, spread, root, eps):
    root[c] = sqrt(spread[c] + eps)


@task
def _forward(i, x, y, normal, centre, root, slope, bias, channels, inner):
    c = i // inner % channels
    v = (x[i] - centre[c]) / root[c]
    normal[i] = v
    y[i] = v * slope[c] + bias[c]


@task
def _backward(i, dy, v, level, slant, slope, deviation, dx, whole, each, channels, inner):
    c, g = i // inner % channels, dy[i]
    if whole:
        g = g - (level[c] + v[i] * slant[c]) / np.float32(each)
    dx[i] = g * slope[c] / deviation[c]
