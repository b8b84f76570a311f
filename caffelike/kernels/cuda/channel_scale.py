"""ChannelScale; see layers/channel_scale.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import copy, fill, task
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, scale: Any, y: Any, do_forward: bool) -> None:
    """One product."""
    if do_forward:
        _multiply(x.size, x.reshape(-1), scale.reshape(-1), y.reshape(-1), *_lengths(x))
    else:
        copy(y, x)


def backward(
    dy: Any,
    x: Any,
    scale: Any,
    dx: Any,
    dscale: Any,
    do_forward: bool,
    do_backward_feature: bool,
    do_backward_scale: bool,
) -> None:
    """dx = scale dy, dscale = sum over channels of x dy."""
    channels, inner = _lengths(x)
    if dx is not None and do_forward and do_backward_feature:
        _multiply(dx.size, dy.reshape(-1), scale.reshape(-1), dx.reshape(-1), channels, inner)
    elif dx is not None and do_backward_feature:
        copy(dx, dy)
    elif dx is not None:
        fill(dx.reshape(-1), 0)
    if dscale is not None and do_backward_scale and do_forward:
        _dots(dscale.size, channels, dscale.reshape(-1), 0, dy.reshape(-1), x.reshape(-1), channels, inner)
    elif dscale is not None:
        fill(dscale.reshape(-1), 0)


def _lengths(x: Any) -> tuple[int, int]:
    """Channels, and values behind each."""
    return int(x.shape[1]), int(np.prod(tuple(x.shape)[2:], dtype=np.int64))


@task
def _multiply(i, x, scale, y, channels, inner):
    y[i] = x[i] * scale[i // (channels * inner) * inner + i % inner]


@summed
def _dots(place, c, dy, x, channels, inner):
    i = (place // inner * channels + c) * inner + place % inner
    return dy[i] * x[i]
