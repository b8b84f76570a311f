"""ELU; see layers/elu.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task
from caffelike.kernels.cuda.pointwise import unary
from caffelike.kernels.cuda.scalar import exp


def forward(x: Any, y: Any, alpha: float, scale: float) -> None:
    """y = scale x where x is positive, scale alpha (exp(x) - 1) elsewhere."""
    _forward(x, y, alpha, scale)


def backward(dy: Any, x: Any, y: Any, dx: Any, alpha: float, scale: float) -> None:
    """dx = scale dy where x is positive, dy (y + scale alpha) elsewhere."""
    y = y.reshape(-1)
    seen = y if alpha >= 0 else x.reshape(-1)  # else the sign of y does not tell that of x
    _backward(dx.size, dy.reshape(-1), seen, y, dx.reshape(-1), scale * alpha, scale)


@unary
def _forward(v, alpha, scale):
    zero, one = np.float32(0), np.float32(1)
    return scale * ((v if v > zero else zero) + alpha * (exp(zero if v > zero else v) - one))


@task
def _backward(i, dy, seen, y, dx, lowest, scale):
    dx[i] = dy[i] * (scale if seen[i] > 0 else y[i] + lowest)
