"""BatchNorm; see layers/batch_norm.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.spread import multiply_add, sums
from caffelike.kernels.cpu.sums import dot, squares, total
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk, more or less
_NONE = np.empty(0, np.float32)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    deviation: np.ndarray | None,
    normal: np.ndarray | None,
    use_global_stats: bool,
    fraction: float,
    eps: float,
) -> None:
    """y = (x - mean) / sqrt(variance + eps), channel by channel; moves the running sums. y may be x.

    scale: then y = scale y + bias; `normal` holds what is multiplied.
    """
    if x.size == 0:
        return
    if scale is not None:
        between = y if normal is None else normal
        forward(x, between, mean, variance, factor, None, None, deviation, None, use_global_stats, fraction, eps)
        multiply_add(_channels(between), scale, bias, _channels(y), 1)
        return
    channels = mean.size
    images, inner = x.shape[0], x.size // (x.shape[0] * channels)
    deviation = _NONE if deviation is None else deviation
    arrays = (x.reshape(-1), y.reshape(-1), mean, variance, deviation)
    grain = max(1, _GRAIN // (images * inner))
    if use_global_stats:
        share = 0.0 if factor[0] == 0 else 1 / factor[0]
        _with_given(channels, grain, *arrays, images, inner, share, eps)
    else:
        factor *= fraction
        factor += 1
        _with_own(channels, grain, *arrays, images, inner, fraction, eps)


def backward(
    dy: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None,
    deviation: np.ndarray,
    normal: np.ndarray | None,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    use_global_stats: bool,
    beta: float,
) -> None:
    """dx = (dy - mean(dy) - y mean(dy y)) / deviation; with global statistics dy / deviation. dx may be dy.

    With a scale dscale = sum of dy normal and dbias = sum of dy (plus beta times what they hold) come first.
    """
    if scale is not None and normal is not None:
        if dscale is not None:
            sums(_channels(dy), _channels(normal), scale, dscale, 1, beta)
        if dbias is not None:
            sums(_channels(dy), None, scale, dbias, 1, beta)
        if dx is None:
            return
        multiply_add(_channels(dy), scale, None, _channels(dx), 1)
        dy, y = dx, normal
    if dx is None or dx.size == 0:
        return
    channels, images = deviation.size, dx.shape[0]
    inner = dx.size // (images * channels)
    grain = max(1, _GRAIN // (images * inner))
    arrays = (dy.reshape(-1), _NONE if use_global_stats else y.reshape(-1), deviation, dx.reshape(-1))
    _backward(channels, grain, *arrays, images, inner)


def _channels(array: np.ndarray) -> np.ndarray:
    """The array with its channels on axis 1: one of a single axis has one."""
    return array if array.ndim > 1 else array.reshape(-1, 1)


@task
def _with_given(worker, lo, hi, x, y, mean, variance, deviation, images, inner, share, eps):
    """The channels lo..hi by the running sums."""
    share, channels = np.float32(share), mean.size
    for c in range(lo, hi):
        root = np.sqrt(variance[c] * share + np.float32(eps))
        if deviation.size:
            deviation[c] = root
        for n in range(images):
            at = (n * channels + c) * inner
            _normalise(x[at : at + inner], y[at : at + inner], mean[c] * share, np.float32(1) / root)


@task
def _with_own(worker, lo, hi, x, y, mean, variance, deviation, images, inner, fraction, eps):
    """The channels lo..hi by their own mean and variance."""
    fraction, channels, count = np.float32(fraction), mean.size, images * inner
    for c in range(lo, hi):
        result = 0.0
        for n in range(images):
            at = (n * channels + c) * inner
            result += total(x[at : at + inner])
        centre = result / count
        result = 0.0
        for n in range(images):
            at = (n * channels + c) * inner
            result += squares(x[at : at + inner], np.float32(centre))
        spread = result / count
        mean[c] = mean[c] * fraction + centre
        variance[c] = variance[c] * fraction + spread * (count / (count - 1) if count > 1 else 1.0)
        root = np.float32(np.sqrt(spread + eps))
        if deviation.size:
            deviation[c] = root
        for n in range(images):
            at = (n * channels + c) * inner
            _normalise(x[at : at + inner], y[at : at + inner], np.float32(centre), np.float32(1) / root)


@kernel
def _normalise(x, y, centre, factor):
    if x.ctypes.data == y.ctypes.data:  # a loop over one array only, or LLVM does not vectorise
        for i in range(y.size):
            y[i] = (y[i] - centre) * factor
    else:
        for i in range(y.size):
            y[i] = (x[i] - centre) * factor


@task
def _backward(worker, lo, hi, dy, y, deviation, dx, images, inner):
    """The channels lo..hi; an empty y: with global statistics."""
    channels, zero = deviation.size, np.float32(0)
    for c in range(lo, hi):
        factor = np.float32(1) / deviation[c]
        if y.size == 0:
            for n in range(images):
                at = (n * channels + c) * inner
                _normalise(dy[at : at + inner], dx[at : at + inner], zero, factor)
            continue
        result, slanted = 0.0, 0.0
        for n in range(images):
            at = (n * channels + c) * inner
            result += total(dy[at : at + inner])
            slanted += dot(dy[at : at + inner], y[at : at + inner])
        average, slant = np.float32(result / (images * inner)), np.float32(slanted / (images * inner))
        for n in range(images):
            at = (n * channels + c) * inner
            g, v, there = dy[at : at + inner], y[at : at + inner], dx[at : at + inner]
            if g.ctypes.data == there.ctypes.data:
                for i in range(inner):
                    there[i] = (there[i] - average - v[i] * slant) * factor
            else:
                for i in range(inner):
                    there[i] = (g[i] - average - v[i] * slant) * factor
