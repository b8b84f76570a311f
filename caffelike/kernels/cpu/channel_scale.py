"""ChannelScale; see layers/channel_scale.py for the definition."""

import numpy as np

from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk, more or less
_BLOCK = 1024  # places of an item that are added up together


def forward(x: np.ndarray, scale: np.ndarray, y: np.ndarray, do_forward: bool) -> None:
    """y = scale x, one scale for each place of an item."""
    if not do_forward:
        np.copyto(y, x)
        return
    _scale(x, scale, y)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    do_forward: bool,
    do_backward_feature: bool,
    do_backward_scale: bool,
) -> None:
    """dx = scale dy, dscale = sum over channels of x dy."""
    if dx is not None and do_forward and do_backward_feature:
        _scale(dy, scale, dx)
    elif dx is not None:
        np.copyto(dx, 0 if not do_backward_feature else dy)
    if dscale is None:
        return
    if not (do_backward_scale and do_forward):
        dscale[...] = 0
        return
    channels, places = _sizes(x)
    blocks = -(-places // _BLOCK)
    grain = max(1, _GRAIN // max(1, channels * min(places, _BLOCK)))
    _dots(x.shape[0] * blocks, grain, x.reshape(-1), dy.reshape(-1), dscale.reshape(-1), channels, places, blocks)


def _scale(x: np.ndarray, scale: np.ndarray, y: np.ndarray) -> None:
    channels, places = _sizes(x)
    arrays = (x.reshape(-1), scale.reshape(-1), y.reshape(-1))
    _scaled(x.shape[0] * channels, max(1, _GRAIN // max(1, places)), *arrays, channels, places)


def _sizes(x: np.ndarray) -> tuple[int, int]:
    """(channels, places) of an item."""
    return x.shape[1], int(np.prod(x.shape[2:], dtype=np.int64))


@task
def _scaled(worker, lo, hi, x, scale, y, channels, places):
    """The planes lo..hi, each times its item's scales."""
    for plane in range(lo, hi):
        first = plane // channels * places
        factors = scale[first : first + places]
        a, out = x[plane * places : (plane + 1) * places], y[plane * places : (plane + 1) * places]
        for i in range(places):
            out[i] = factors[i] * a[i]


@task
def _dots(worker, lo, hi, a, b, out, channels, places, blocks):
    """The sums of products over channels, for the blocks of places lo..hi."""
    sums = np.empty(_BLOCK)
    for block in range(lo, hi):
        item, first = block // blocks, block % blocks * _BLOCK
        count = min(_BLOCK, places - first)
        sums[:count] = 0
        for c in range(channels):
            begin = (item * channels + c) * places + first
            one, other = a[begin : begin + count], b[begin : begin + count]
            for i in range(count):
                sums[i] += one[i] * other[i]
        to = out[item * places + first : item * places + first + count]
        for i in range(count):
            to[i] = sums[i]
