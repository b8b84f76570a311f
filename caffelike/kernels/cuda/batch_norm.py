"""BatchNorm; see layers/batch_norm.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.sums import summed


def forward(
    x: Any,
    y: Any,
    mean: Any,
    variance: Any,
    factor: Any,
    scale: Any,
    bias: Any,
    deviation: Any,
    normal: Any,
    use_global_stats: bool,
    fraction: float,
    eps: float,
) -> None:
    """Choose the statistics, move the running sums, normalise, scale. An empty batch changes nothing."""
    if x.size == 0:
        return
    channels, inner = _lengths(x)
    v, to = x.reshape(-1), y.reshape(-1)
    centre, root = empty(channels), empty(channels) if deviation is None else deviation
    if use_global_stats:
        _running(channels, mean, variance, factor, centre, root, eps)
    else:
        each = x.size // channels
        _sums(channels, each, centre, 0, v, channels, inner)
        _mean(channels, centre, each)
        _squares(channels, each, root, 0, v, centre, channels, inner)
        _move(channels, mean, variance, centre, root, each, fraction, eps)
        _count(1, factor, fraction)
    if scale is None:
        _normalise(x.size, v, to, centre, root, channels, inner)
    else:
        offset = scale if bias is None else bias
        kept = to if normal is None else normal.reshape(-1)
        _scaled(x.size, v, to, kept, centre, root, scale, offset, bias is not None, channels, inner)


def backward(
    dy: Any,
    y: Any,
    scale: Any,
    deviation: Any,
    normal: Any,
    dx: Any,
    dscale: Any,
    dbias: Any,
    use_global_stats: bool,
    beta: float,
) -> None:
    """dx = (dy - mean(dy) - y mean(dy y)) / deviation; with global statistics dy / deviation. A scale comes before."""
    channels, inner = _lengths(dy)
    each = dy.size // max(1, channels)
    g, v = dy.reshape(-1), (y if normal is None else normal).reshape(-1)
    if dscale is not None:
        _dots(channels, each, dscale, beta, g, v, channels, inner)
    if dbias is not None:
        _sums(channels, each, dbias, beta, g, channels, inner)
    if dx is None or dx.size == 0:
        return
    to = dx.reshape(-1)
    factors = deviation if scale is None else scale
    if use_global_stats:
        _divide(dx.size, g, to, deviation, factors, scale is not None, channels, inner)
        return
    level, slant = empty(channels), empty(channels)
    _sums(channels, each, level, 0, g, channels, inner)
    _dots(channels, each, slant, 0, g, v, channels, inner)
    _backward(dx.size, g, v, to, level, slant, deviation, factors, scale is not None, each, channels, inner)


def _lengths(x: Any) -> tuple[int, int]:
    """How many channels there are, and values behind each."""
    return (x.shape[1] if x.ndim > 1 else 1), int(np.prod(tuple(x.shape)[2:], dtype=np.int64))


@summed
def _sums(c, k, x, channels, inner):
    return x[(k // inner * channels + c) * inner + k % inner]


@summed
def _dots(c, k, a, b, channels, inner):
    at = (k // inner * channels + c) * inner + k % inner
    return a[at] * b[at]


@summed
def _squares(c, k, x, centre, channels, inner):
    v = x[(k // inner * channels + c) * inner + k % inner] - centre[c]
    return v * v


@task
def _mean(c, total, each):
    total[c] = total[c] / np.float32(each)


@task
def _running(c, mean, variance, factor, centre, root, eps):
    share = np.float32(0) if factor[0] == 0 else np.float32(1) / factor[0]
    centre[c] = mean[c] * share
    root[c] = sqrt(variance[c] * share + eps)


@task
def _move(c, mean, variance, centre, root, each, fraction, eps):
    batch = root[c] / np.float32(each)
    mean[c] = fraction * mean[c] + centre[c]
    more = np.float32(each) / np.float32(each - 1) if each > 1 else np.float32(1)
    variance[c] = fraction * variance[c] + batch * more
    root[c] = sqrt(batch + eps)


@task
def _count(i, factor, fraction):
    factor[0] = fraction * factor[0] + np.float32(1)


@task
def _normalise(i, x, y, centre, root, channels, inner):
    c = i // inner % channels
    y[i] = (x[i] - centre[c]) / root[c]


@task
def _scaled(i, x, y, normal, centre, root, scale, bias, biased, channels, inner):
    c = i // inner % channels
    v = (x[i] - centre[c]) / root[c]
    normal[i] = v
    y[i] = v * scale[c] + bias[c] if biased else v * scale[c]


@task
def _divide(i, dy, dx, deviation, scale, scaled, channels, inner):
    c = i // inner % channels
    dx[i] = (dy[i] * scale[c] if scaled else dy[i]) / deviation[c]


@task
def _backward(i, dy, v, dx, level, slant, deviation, scale, scaled, each, channels, inner):
    c = i // inner % channels
    g = dy[i] - (level[c] + v[i] * slant[c]) / np.float32(each)
    dx[i] = (g * scale[c] if scaled else g) / deviation[c]
