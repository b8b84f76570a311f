"""L1Loss; see layers/l1_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.scalar import sign, sqrt
from caffelike.kernels.cuda.sums import summed


def forward(
    a: Any,
    b: Any,
    weight: Any,
    loss: Any,
    flow: bool,
    by_place: bool,
    prescale: bool,
    by_entries: bool,
    epsilon: float,
) -> None:
    """The lengths of the differences, added up."""
    gaps, total = _gaps(a, b, flow), empty(1)
    if by_place:
        channels, *more = _place(a, prescale, epsilon)
        _of_places(1, a.size // max(1, channels), total, 0, *gaps, channels, *more)
    else:
        _of_values(1, a.size, total, 0, *gaps, *_weights(a, weight))
    divide(1, total, *_divisor(a, gaps, flow and by_entries, loss.reshape(-1)))


def backward(
    dloss: Any,
    a: Any,
    b: Any,
    weight: Any,
    da: Any,
    db: Any,
    flow: bool,
    by_place: bool,
    prescale: bool,
    by_entries: bool,
    epsilon: float,
) -> None:
    """The slope of each length."""
    gaps, share = _gaps(a, b, flow), empty(1)
    divide(1, dloss.reshape(-1), *_divisor(a, gaps, flow and by_entries, share))
    for to, way in ((da, 1.0), (db, -1.0)):
        if to is not None and by_place:
            channels, inner, *more = _place(a, prescale, epsilon)
            count = a.size // max(1, channels)
            _slopes_of_places(count, share, to.reshape(-1), *gaps, channels, inner, *more, way)
        elif to is not None:
            _slopes_of_values(a.size, share, to.reshape(-1), *gaps, *_weights(a, weight), way)


def _gaps(a: Any, b: Any, flow: bool) -> tuple[Any, Any, bool, bool]:
    """What `_gap` is told behind an index."""
    first = a.reshape(-1)
    return first, first if b is None else b.reshape(-1), b is not None, bool(flow)


def _place(a: Any, prescale: bool, epsilon: float) -> tuple[int, int, int, float]:
    """Values of a place, how far they lie apart, what their squares are divided by, and what is added."""
    channels, inner = int(a.shape[1]), int(np.prod(tuple(a.shape)[2:], dtype=np.int64))
    return channels, inner, channels if prescale else 1, epsilon


def _weights(a: Any, weight: Any) -> tuple[Any, int]:
    """Weights and how many values each is for; 0 where there are none, and something else stands in their place."""
    return (a.reshape(-1), 0) if weight is None else (weight.reshape(-1), max(1, a.size // max(1, weight.size)))


def _divisor(a: Any, gaps: tuple, by_entries: bool, to: Any) -> tuple[Any, Any, bool, float]:
    """What `divide` is told behind the number: how many entries count over the channels, or the batch size."""
    places = empty(1)
    if by_entries:
        _counted(1, a.size, places, 0, *gaps, int(a.shape[1]))
    return places, to, by_entries, float(a.shape[0])


@device
def _gap(i, a, b, two, flow):
    """The difference at i, 0 where it does not count; and whether it does."""
    v = a[i] - b[i] if two else a[i]
    counts = v == v or not flow
    return (v if counts else np.float32(0)), counts


@device
def _length(place, a, b, two, flow, channels, inner, scale, epsilon):
    """The length of a place's difference; and whether any of it counts."""
    first, total, any_counts = place // inner * channels * inner + place % inner, np.float32(0), False
    for c in range(channels):
        v, counts = _gap(first + c * inner, a, b, two, flow)
        total += v * v
        any_counts = any_counts or counts
    return sqrt(total / np.float32(scale) + epsilon), any_counts


@summed
def _counted(o, i, a, b, two, flow, channels):
    return np.float32(1) / np.float32(channels) if _gap(i, a, b, two, flow)[1] else np.float32(0)


@summed
def _of_values(o, i, a, b, two, flow, weights, each):
    v = abs(_gap(i, a, b, two, flow)[0])
    return v * weights[i // each] if each > 0 else v


@summed
def _of_places(o, place, a, b, two, flow, channels, inner, scale, epsilon):
    length, counts = _length(place, a, b, two, flow, channels, inner, scale, epsilon)
    return length if counts else np.float32(0)


@task
def _slopes_of_values(i, share, to, a, b, two, flow, weights, each, way):
    v = sign(_gap(i, a, b, two, flow)[0]) * (way * share[0])
    to[i] = v * weights[i // each] if each > 0 else v


@task
def _slopes_of_places(place, share, to, a, b, two, flow, channels, inner, scale, epsilon, way):
    length = _length(place, a, b, two, flow, channels, inner, scale, epsilon)[0]
    first = place // inner * channels * inner + place % inner
    for c in range(channels):
        i = first + c * inner
        to[i] = _gap(i, a, b, two, flow)[0] / (np.float32(scale) * length) * (way * share[0])
