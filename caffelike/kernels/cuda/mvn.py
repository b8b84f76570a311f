"""MVN; see layers/mvn.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, y: Any, deviation: Any, groups: int, normalize_variance: bool, eps: float) -> None:
    """Group by group."""
    if x.size == 0:
        return
    each = x.size // groups
    v, to, centre = x.reshape(-1), y.reshape(-1), empty(groups)
    _sums(groups, each, centre, 0, v, each)
    if not normalize_variance:
        _centred(x.size, v, centre, to, each)
        return
    root = empty(groups) if deviation is None else deviation.reshape(-1)
    _squares(groups, each, root, 0, v, centre, each)
    _roots(groups, root, each, eps)
    _forward(x.size, v, centre, root, to, each)


def backward(dy: Any, y: Any, deviation: Any, dx: Any, groups: int, normalize_variance: bool) -> None:
    """dx = (dy - mean(dy) - y mean(dy y)) / deviation, or dy - mean(dy)."""
    if dx.size == 0:
        return
    each = dx.size // groups
    g, to, level = dy.reshape(-1), dx.reshape(-1), empty(groups)
    _sums(groups, each, level, 0, g, each)
    if not normalize_variance:
        _centred(dx.size, g, level, to, each)
        return
    normal, slant = y.reshape(-1), empty(groups)
    _dots(groups, each, slant, 0, g, normal, each)
    _backward(dx.size, g, normal, level, slant, deviation.reshape(-1), to, each)


@summed
def _sums(o, k, x, each):
    return x[o * each + k]


@summed
def _squares(o, k, x, centre, each):
    v = x[o * each + k] - centre[o] / np.float32(each)
    return v * v


@summed
def _dots(o, k, a, b, each):
    return a[o * each + k] * b[o * each + k]


@task
def _centred(i, x, total, y, each):
    y[i] = x[i] - total[i // each] / np.float32(each)


@task
def _roots(i, root, each, eps):
    root[i] = sqrt(root[i] / np.float32(each)) + eps


@task
def _forward(i, x, total, root, y, each):
    y[i] = (x[i] - total[i // each] / np.float32(each)) / root[i // each]


@task
def _backward(i, dy, y, level, slant, deviation, dx, each):
    o = i // each
    dx[i] = (dy[i] - (level[o] + y[i] * slant[o]) / np.float32(each)) / deviation[o]
