"""InnerDistance; see layers/inner_distance.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task
from caffelike.kernels.cuda.scalar import sign
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, weight: Any, bias: Any, y: Any, squared: bool) -> None:
    """The distance of each row from each point."""
    points, terms = (int(n) for n in weight.shape)
    to = y.reshape(-1)
    _distances(y.size, terms, to, 0, x.reshape(-1), weight.reshape(-1), points, terms, bool(squared))
    if bias is not None:
        _add(y.size, to, bias.reshape(-1), points)


def backward(
    dy: Any,
    x: Any,
    weight: Any,
    dx: Any,
    dweight: Any,
    dbias: Any,
    squared: bool,
    beta: float,
) -> None:
    """The slope of each distance times its gradient: to x, and against it to the point."""
    points, terms = (int(n) for n in weight.shape)
    rows = x.size // max(1, terms)
    arrays = (dy.reshape(-1), x.reshape(-1), weight.reshape(-1))
    more = (points, terms, bool(squared))
    if dbias is not None:
        _columns(points, rows, dbias.reshape(-1), beta, arrays[0], points)
    if dweight is not None:
        _to_points(dweight.size, rows, dweight.reshape(-1), beta, *arrays, *more)
    if dx is not None:
        _to_rows(dx.size, points, dx.reshape(-1), 0, *arrays, *more)


@device
def _slope(away, squared):
    return np.float32(2) * away if squared else sign(away)


@summed
def _distances(i, k, x, weight, points, terms, squared):
    away = x[i // points * terms + k] - weight[i % points * terms + k]
    return away * away if squared else abs(away)


@task
def _add(i, y, bias, points):
    y[i] = y[i] + bias[i % points]


@summed
def _columns(j, row, dy, points):
    return dy[row * points + j]


@summed
def _to_points(i, row, dy, x, weight, points, terms, squared):
    return -_slope(x[row * terms + i % terms] - weight[i], squared) * dy[row * points + i // terms]


@summed
def _to_rows(i, j, dy, x, weight, points, terms, squared):
    return _slope(x[i] - weight[j * terms + i % terms], squared) * dy[i // terms * points + j]
