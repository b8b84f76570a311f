"""Reduction; see layers/reduction.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task
from caffelike.kernels.cuda.scalar import sign
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, y: Any, operation: str, factor: float) -> None:
    """Sum over the axes that y lacks."""
    terms = {"ASUM": _sizes, "SUMSQ": _squares}.get(operation, _values)
    to, each = y.reshape(-1), x.size // max(1, y.size)
    terms(y.size, each, to, 0, x.reshape(-1), each)
    if factor != 1:
        _scale(y.size, to, factor)


def backward(dy: Any, x: Any, dx: Any, operation: str, factor: float) -> None:
    """Spread each gradient over what was summed."""
    kind = {"ASUM": 1, "SUMSQ": 2}.get(operation, 0)
    g, each = dy.reshape(-1), dx.size // max(1, dy.size)
    _backward(dx.size, g, x.reshape(-1) if kind else g, dx.reshape(-1), each, kind, factor)


@summed
def _values(o, k, x, each):
    return x[o * each + k]


@summed
def _sizes(o, k, x, each):
    return abs(x[o * each + k])


@summed
def _squares(o, k, x, each):
    return x[o * each + k] * x[o * each + k]


@task
def _scale(i, y, factor):
    y[i] = y[i] * factor


@task
def _backward(i, dy, x, dx, each, kind, factor):
    share = dy[i // each] * factor
    if kind == 1:
        share = share * sign(x[i])
    elif kind == 2:
        share = share * (np.float32(2) * x[i])
    dx[i] = share
