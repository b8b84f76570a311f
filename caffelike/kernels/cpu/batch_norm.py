"""BatchNorm, alone or with the Scale and ReLU behind it; see layers/batch_norm.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.channel import (
    plane_arriving,
    plane_backward,
    plane_forward,
    plane_forward_sum,
    plane_squares,
    plane_sum,
    plane_sums_back,
)
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import by_hand, task
from caffelike.kernels.replay import replayable
from caffelike.kernels.vector import fence

_GRAIN = 1 << 14  # values in a chunk, more or less
_NONE = np.empty(0, np.float32)


@replayable
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
    kept = y if normal is None else normal
    statistics = (mean, variance, factor, deviation)
    _forward(x, y, kept, *statistics, scale, bias, use_global_stats, fraction, eps, 1.0)


@replayable
def forward_scale(
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    deviation: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray | None,
    kept: np.ndarray,
    use_global_stats: bool,
    fraction: float,
    eps: float,
    relu: bool,
    negative_slope: float,
) -> None:
    """`forward`, a Scale layer's and, if asked for, ReLU's; kept: what Scale multiplies, for `backward_scale`."""
    statistics, slope = (mean, variance, factor, deviation), negative_slope if relu else 1.0
    _forward(x, y, kept, *statistics, scale, bias, use_global_stats, fraction, eps, slope)


@replayable
def forward_scale_eltwise(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    deviation: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray | None,
    kept: np.ndarray,
    other: np.ndarray,
    total: np.ndarray,
    use_global_stats: bool,
    fraction: float,
    eps: float,
    relu: bool,
    negative_slope: float,
) -> None:
    """`forward_scale` without its result, but total = other + that, and then ReLU's if asked for. kept may be x."""
    statistics, slope = (mean, variance, factor, deviation), negative_slope if relu else 1.0
    _forward(x, total, kept, *statistics, scale, bias, use_global_stats, fraction, eps, slope, other)


def _cut(x: np.ndarray, channels: int) -> tuple[int, int, int]:
    """Images, values in a plane, and channels in a chunk."""
    images = len(x)
    inner = x.size // (images * channels)
    return images, inner, max(1, _GRAIN // (images * inner))


def _forward(x, y, kept, mean, variance, factor, deviation, scale, bias, use_global_stats, fraction, eps, slope,
             other=_NONE):  # fmt: skip
    """slope: ReLU's behind it all; 1 for none. other: added in front of that."""
    if x.size == 0:
        return
    channels = mean.size
    images, inner, grain = _cut(x, channels)
    if use_global_stats:
        by_hand()
        share = 0.0 if factor[0] == 0 else 1 / factor[0]
    else:
        share = -1.0
    deviation, scale, bias = (_NONE if a is None else a for a in (deviation, scale, bias))
    arrays = (*(a.reshape(-1) for a in (x, kept, other, y)), mean, variance, factor, deviation, scale, bias)
    _channels(channels, grain, *arrays, images, inner, share, fraction, eps, slope, np.empty((2, channels)))


@replayable
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
    kept = y if normal is None else normal
    _backward(dy, kept, deviation, scale, None, dx, dscale, dbias, use_global_stats, beta, 1.0)


@replayable
def backward_scale(
    dy: np.ndarray,
    kept: np.ndarray,
    deviation: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray | None,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    use_global_stats: bool,
    beta: int,
    relu: bool,
    negative_slope: float,
) -> None:
    """All gradients of `forward_scale`; whether ReLU let a value through is worked out once more. dx may be dy."""
    slope = negative_slope if relu else 1.0
    _backward(dy, kept, deviation, scale, bias, dx, dscale, dbias, use_global_stats, beta, slope)


@replayable
def backward_scale_eltwise(
    dys: tuple[np.ndarray, ...],
    total: np.ndarray,
    kept: np.ndarray,
    deviation: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray,
    dother: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    use_global_stats: bool,
    beta: int,
    relu: bool,
    negative_slope: float,
) -> None:
    """All gradients of `forward_scale_eltwise`; dys: one or two that add up. dx may be one of them."""
    if total.size == 0:
        return
    channels = deviation.size
    images, inner, grain = _cut(total, channels)
    other, dscale, dbias = (_NONE if a is None else a.reshape(-1) for a in (dother, dscale, dbias))
    arrays = (*(a.reshape(-1) for a in (dys[0], dys[-1], total, kept)), deviation, scale, dx.reshape(-1), other, dscale)
    slope = negative_slope if relu else 1.0
    numbers = (images, inner, use_global_stats, beta, slope, len(dys) == 2)
    _sums_back(channels, grain, *arrays, dbias, *numbers, np.empty((2, channels)))


def _backward(dy, kept, deviation, scale, bias, dx, dscale, dbias, use_global_stats, beta, slope):
    if dy.size == 0:
        return
    channels = deviation.size
    images, inner, grain = _cut(dy, channels)
    down = _NONE if dx is None else dx.reshape(-1)
    scale, bias, dscale, dbias = (_NONE if a is None else a for a in (scale, bias, dscale, dbias))
    arrays = (dy.reshape(-1), kept.reshape(-1), deviation, scale, bias, down, dscale, dbias)
    room = np.empty((2, channels))
    _channels_back(channels, grain, *arrays, images, inner, use_global_stats, beta, slope, room)


# A chunk of channels goes image by image, for its planes lie one behind the other there: processors see where small
# ones go on. What a chunk touches stays in the second-level cache from loop to loop. `room`: (2, channels) of numbers
# for a channel each.


@task
def _channels(
    worker, lo, hi, x, kept, other, y, mean, variance, factor, deviation, scale, bias, images, inner, share, fraction,
    eps, slope, room,
):  # fmt: skip
    """The channels lo..hi; share: of the running sums, negative: with the batch's own, which move `factor`, too."""
    slope, channels, (centres, roots) = np.float32(slope), mean.size, (room[0], room[1])
    if share < 0:
        if lo == 0:
            factor[0] = factor[0] * np.float32(fraction) + np.float32(1)
        _own(lo, hi, x, mean, variance, images, inner, np.float32(fraction), eps, centres, roots)
    else:
        for c in range(lo, hi):
            centres[c] = mean[c] * np.float32(share)
            roots[c] = np.sqrt(variance[c] * np.float32(share) + np.float32(eps))
    if deviation.size:
        for c in range(lo, hi):
            deviation[c] = roots[c]
    for n in range(images):
        for c in range(lo, hi):
            a, b = _factors(scale, bias, c)
            at, centre = (n * channels + c) * inner, np.float32(centres[c])
            turned = np.float32(1) / np.float32(roots[c])
            if other.size:
                plane_forward_sum(x, kept, other, y, at, inner, centre, turned, a, b, slope)
            else:
                plane_forward(x, kept, y, at, inner, centre, turned, a, b, slope)
    fence()


@kernel
def _factors(scale, bias, c):
    """What channel c is multiplied by, and what is added; 1 and 0 where there are none."""
    return scale[c] if scale.size else np.float32(1), bias[c] if bias.size else np.float32(0)


@kernel
def _own(lo, hi, x, mean, variance, images, inner, fraction, eps, centres, roots):
    """Mean and square root of the variance of the channels lo..hi, which move the running sums."""
    channels, count = mean.size, images * inner
    centres[lo:hi] = 0
    roots[lo:hi] = 0
    for n in range(images):
        for c in range(lo, hi):
            centres[c] += plane_sum(x, (n * channels + c) * inner, inner)
    for c in range(lo, hi):
        centres[c] /= count
    for n in range(images):
        for c in range(lo, hi):
            roots[c] += plane_squares(x, (n * channels + c) * inner, inner, np.float32(centres[c]))
    for c in range(lo, hi):
        spread = roots[c] / count
        mean[c] = mean[c] * fraction + centres[c]
        variance[c] = variance[c] * fraction + spread * (count / (count - 1) if count > 1 else 1.0)
        roots[c] = np.sqrt(spread + eps)


@task
def _channels_back(
    worker, lo, hi, dy, kept, deviation, scale, bias, dx, dscale, dbias, images, inner, use_global_stats, beta, slope,
    room,
):  # fmt: skip
    """The channels lo..hi. The second loop reads what the first has left in the cache."""
    channels, slope = deviation.size, np.float32(slope)
    if dscale.size or dbias.size or not use_global_stats:
        room[:, lo:hi] = 0
        for n in range(images):
            for c in range(lo, hi):
                a, b = _factors(scale, bias, c)
                sums = plane_sums_back(dy, kept, (n * channels + c) * inner, inner, a, b, slope)
                room[0, c] += sums[0]
                room[1, c] += sums[1]
    _to_parameters(lo, hi, room, dscale, dbias, beta)
    if dx.size == 0:
        return
    count = 0.0 if use_global_stats else 1.0 / (images * inner)
    for n in range(images):
        for c in range(lo, hi):
            a, b = _factors(scale, bias, c)
            at, factor = (n * channels + c) * inner, a / deviation[c]
            if use_global_stats and slope == 1:  # nothing of `kept` is needed
                plane_forward(dy, dx, dx, at, inner, np.float32(0), factor, np.float32(1), np.float32(0), slope)
            else:
                level, slant = _means(room, c, count)
                plane_backward(dy, kept, dx, at, inner, a, b, slope, level, slant, factor)


@kernel
def _to_parameters(lo, hi, room, dscale, dbias, beta):
    """The sums of a gradient, and of it times what is scaled, to bias and scale."""
    for c in range(lo, hi):
        if dscale.size:
            dscale[c] = (dscale[c] + room[1, c]) if beta else room[1, c]
        if dbias.size:
            dbias[c] = (dbias[c] + room[0, c]) if beta else room[0, c]


@kernel
def _means(room, c, count):
    """Those sums times count; zeros for 0, whatever they are."""
    if count == 0:
        return np.float32(0), np.float32(0)
    return np.float32(room[0, c] * count), np.float32(room[1, c] * count)


@task
def _sums_back(
    worker, lo, hi, first, second, total, kept, deviation, scale, dx, other, dscale, dbias, images, inner,
    use_global_stats, beta, slope, both, room,
):  # fmt: skip
    """The channels lo..hi: what arrives is added up in dx, which stays in the cache."""
    channels, one, zero = deviation.size, np.float32(1), np.float32(0)
    room[:, lo:hi] = 0
    for n in range(images):
        for c in range(lo, hi):
            at = (n * channels + c) * inner
            sums = plane_arriving(
                first, second, both, total, kept, dx, other, other.size > 0, at, inner, np.float32(slope)
            )
            room[0, c] += sums[0]
            room[1, c] += sums[1]
    _to_parameters(lo, hi, room, dscale, dbias, beta)
    count = 0.0 if use_global_stats else 1.0 / (images * inner)
    for n in range(images):
        for c in range(lo, hi):
            at, (level, slant) = (n * channels + c) * inner, _means(room, c, count)
            plane_backward(dx, kept, dx, at, inner, scale[c], zero, one, level, slant, scale[c] / deviation[c])
    fence()
