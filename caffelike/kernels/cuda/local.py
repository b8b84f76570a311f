"""Local; see layers/local.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.correlate import Sizes, axes_of, seeing, seen
from caffelike.kernels.cuda.door import device, task


def forward(x: Any, weight: Any, bias: Any, y: Any, kernel: Sizes, stride: Sizes, pad: Sizes) -> None:
    """One thread makes one output, with the weights of its place."""
    axes = axes_of(x, y, kernel, stride, pad, (1,) * len(kernel))
    to = y.reshape(-1)
    arrays = (x.reshape(-1), weight.reshape(-1), to if bias is None else bias.reshape(-1), to)
    _forward(y.size, *arrays, bias is not None, axes, *_counts(x, y, axes))


def backward(
    dy: Any,
    x: Any,
    weight: Any,
    dx: Any,
    dweight: Any,
    dbias: Any,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    beta: float,
) -> None:
    """One thread makes one number of a gradient."""
    axes = axes_of(x, dy, kernel, stride, pad, (1,) * len(kernel))
    counts, add, items = _counts(x, dy, axes), bool(beta), int(x.shape[0])
    g, v = dy.reshape(-1), x.reshape(-1)
    if dbias is not None:
        _bias(dbias.size, g, dbias.reshape(-1), add, items)
    if dweight is not None:
        _weights(dweight.size, g, v, dweight.reshape(-1), add, items, axes, *counts)
    if dx is not None:
        _backward(dx.size, g, weight.reshape(-1), dx.reshape(-1), axes, *counts)


def _counts(x: Any, y: Any, axes: tuple[Sizes, ...]) -> tuple[int, ...]:
    """Channels, outputs, and how many pixels, places and positions in the kernel there are."""
    return int(x.shape[1]), int(y.shape[1]), *(int(np.prod(sizes, dtype=np.int64)) for sizes in axes[:3])


@device
def _pixel(x, plane, tap, place, axes, pixels):
    at = seen(tap, place, axes)
    return x[plane * pixels + at] if at >= 0 else np.float32(0)


@task
def _forward(i, x, weight, bias, y, biased, axes, channels, outputs, pixels, places, taps):
    place, o, n = i % places, i // places % outputs, i // (places * outputs)
    total = np.float32(0)
    for c in range(channels):
        for tap in range(taps):
            w = weight[((o * channels + c) * taps + tap) * places + place]
            total += w * _pixel(x, n * channels + c, tap, place, axes, pixels)
    y[i] = total + bias[o * places + place] if biased else total


@task
def _bias(i, dy, dbias, add, items):
    total = np.float32(0)
    for n in range(items):
        total += dy[n * dbias.size + i]
    dbias[i] = total + dbias[i] if add else total


@task
def _weights(i, dy, x, dweight, add, items, axes, channels, outputs, pixels, places, taps):
    place, tap = i % places, i // places % taps
    c, o = i // (places * taps) % channels, i // (places * taps * channels)
    total = np.float32(0)
    for n in range(items):
        total += dy[(n * outputs + o) * places + place] * _pixel(x, n * channels + c, tap, place, axes, pixels)
    dweight[i] = total + dweight[i] if add else total


@task
def _backward(i, dy, weight, dx, axes, channels, outputs, pixels, places, taps):
    pixel, c, n = i % pixels, i // pixels % channels, i // (pixels * channels)
    total = np.float32(0)
    for tap in range(taps):
        place = seeing(tap, pixel, axes)
        if place >= 0:
            for o in range(outputs):
                w = weight[((o * channels + c) * taps + tap) * places + place]
                total += w * dy[(n * outputs + o) * places + place]
    dx[i] = total
