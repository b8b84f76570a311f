"""BN; see layers/bn.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.spread import multiply_add, sums
from caffelike.kernels.cpu.sums import dot, squares, total
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk, more or less
_NONE = np.empty(0, np.float32)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    batch_mean: np.ndarray | None,
    batch_variance: np.ndarray | None,
    slope: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray | None,
    variance: np.ndarray | None,
    deviation: np.ndarray | None,
    normal: np.ndarray | None,
    statistics: str,
    eps: float,
    share: float,
) -> None:
    """y = slope (x - mean) / sqrt(variance + eps) + bias; moves the running statistics. y may be x."""
    if x.size == 0:
        return
    channels = slope.size
    given = statistics == "running" and mean is not None and variance is not None
    if given:
        centre, spread = mean.reshape(-1).astype(np.float64), variance.reshape(-1).astype(np.float64)
    elif statistics == "none":
        centre, spread = np.zeros(channels), np.ones(channels)
    else:
        centre, spread = np.empty(channels), np.empty(channels)
        _statistics(channels, *_chunks(x), x.reshape(-1), centre, spread, x.shape[0])
        if mean is not None and variance is not None and share:
            for running, now in ((mean, centre), (variance, spread)):
                running *= 1 - share
                running += share * now.reshape(running.shape)
    root = np.ones(channels) if statistics == "none" else np.sqrt(spread + eps)
    for top, used in ((batch_mean, centre), (batch_variance, spread)):
        if top is not None:
            top[...] = used.reshape(top.shape)
    if deviation is not None:
        deviation[...] = root
    arrays = (x.reshape(-1), y.reshape(-1), _NONE if normal is None else normal.reshape(-1))
    numbers = (centre.astype(np.float32), root.astype(np.float32), slope.reshape(-1), bias.reshape(-1))
    _normalise(channels, *_chunks(x), *arrays, *numbers, x.shape[0])


def backward(
    dy: np.ndarray,
    slope: np.ndarray,
    deviation: np.ndarray,
    normal: np.ndarray,
    dx: np.ndarray | None,
    dslope: np.ndarray | None,
    dbias: np.ndarray | None,
    statistics: str,
    beta: float,
) -> None:
    """dx = slope (dy - mean(dy) - normal mean(dy normal)) / deviation; without the means where they are given."""
    for gradient, factor in ((dslope, normal), (dbias, None)):
        if gradient is not None:
            sums(dy, factor, slope.reshape(-1), gradient.reshape(-1), 1, beta)
    if dx is None or dx.size == 0:
        return
    if statistics != "batch":
        multiply_add(dy, slope.reshape(-1) / deviation, None, dx, 1)
        return
    arrays = (dy.reshape(-1), normal.reshape(-1), slope.reshape(-1), deviation, dx.reshape(-1))
    _backward(deviation.size, *_chunks(dx), *arrays, dx.shape[0])


def _chunks(x: np.ndarray) -> tuple[int]:
    """The grain: how many channels make a chunk."""
    return (max(1, _GRAIN * x.shape[1] // x.size),)


@task
def _statistics(worker, lo, hi, x, centre, spread, images):
    """Mean and variance of the channels lo..hi."""
    channels = centre.size
    inner = x.size // (images * channels)
    for c in range(lo, hi):
        result = 0.0
        for n in range(images):
            at = (n * channels + c) * inner
            result += total(x[at : at + inner])
        centre[c] = result / (images * inner)
        result = 0.0
        for n in range(images):
            at = (n * channels + c) * inner
            result += squares(x[at : at + inner], np.float32(centre[c]))
        spread[c] = result / (images * inner)


@task
def _normalise(worker, lo, hi, x, y, normal, centre, root, slope, bias, images):
    """The channels lo..hi; an empty normal is not wanted."""
    channels = centre.size
    inner = x.size // (images * channels)
    for c in range(lo, hi):
        mean, factor, steep, add = centre[c], np.float32(1) / root[c], slope[c], bias[c]
        for n in range(images):
            at = (n * channels + c) * inner
            values, out = x[at : at + inner], y[at : at + inner]
            if normal.size:
                kept = normal[at : at + inner]
                for i in range(inner):
                    kept[i] = (values[i] - mean) * factor
                for i in range(inner):
                    out[i] = kept[i] * steep + add
            elif values.ctypes.data == out.ctypes.data:  # a loop over one array only, or LLVM does not vectorise
                for i in range(inner):
                    out[i] = (out[i] - mean) * factor * steep + add
            else:
                for i in range(inner):
                    out[i] = (values[i] - mean) * factor * steep + add


@task
def _backward(worker, lo, hi, dy, normal, slope, deviation, dx, images):
    """The channels lo..hi through the batch's statistics."""
    channels = deviation.size
    inner = dx.size // (images * channels)
    for c in range(lo, hi):
        result, slanted = 0.0, 0.0
        for n in range(images):
            at = (n * channels + c) * inner
            result += total(dy[at : at + inner])
            slanted += dot(dy[at : at + inner], normal[at : at + inner])
        average, slant = np.float32(result / (images * inner)), np.float32(slanted / (images * inner))
        factor = slope[c] / deviation[c]
        for n in range(images):
            at = (n * channels + c) * inner
            g, v, there = dy[at : at + inner], normal[at : at + inner], dx[at : at + inner]
            if g.ctypes.data == there.ctypes.data:
                for i in range(inner):
                    there[i] = (there[i] - average - v[i] * slant) * factor
            else:
                for i in range(inner):
                    there[i] = (g[i] - average - v[i] * slant) * factor
