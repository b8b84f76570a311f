"""PReLU; see layers/prelu.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task
from caffelike.kernels.cuda.spread import lengths
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, slope: Any, y: Any) -> None:
    """y = max(x, 0) + slope min(x, 0)."""
    _, along, inner = lengths(x, slope, 1)
    _forward(x.size, x.reshape(-1), slope.reshape(-1), y.reshape(-1), along, inner)


def backward(dy: Any, x: Any, slope: Any, dx: Any, dslope: Any, beta: int) -> None:
    """dslope = sum of dy x where x <= 0; then dx = dy, times slope there; dx may be dy."""
    outer, along, inner = lengths(x, slope, 1)
    g, v = dy.reshape(-1), x.reshape(-1)
    if dslope is not None:
        _slope_sums(along, outer * inner, dslope.reshape(-1), beta, g, v, along, inner)
    if dx is not None:
        _backward(x.size, g, v, slope.reshape(-1), dx.reshape(-1), along, inner)


@task
def _forward(i, x, slope, y, along, inner):
    v, zero = x[i], np.float32(0)
    y[i] = (v if v > zero else zero) + slope[i // inner % along] * (zero if v > zero else v)


@summed
def _slope_sums(c, k, dy, x, along, inner):
    at = (k // inner * along + c) * inner + k % inner
    v, zero = x[at], np.float32(0)
    return dy[at] * (zero if v > zero else v)


@task
def _backward(i, dy, x, slope, dx, along, inner):
    dx[i] = dy[i] * (np.float32(1) if x[i] > 0 else slope[i // inner % along])
