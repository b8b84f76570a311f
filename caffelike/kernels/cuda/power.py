"""Power; see layers/power.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import fill
from caffelike.kernels.cuda.pointwise import binary, unary
from caffelike.kernels.cuda.scalar import power as raised


def forward(x: Any, y: Any, power: float, scale: float, shift: float) -> None:
    """y = (shift + scale x)^power."""
    if power == 0 or scale == 0:
        with np.errstate(all="ignore"):  # 0 to a negative power
            fill(y.reshape(-1), np.float64(shift) ** power)
    elif power == 1:
        _line(x, y, scale, shift)
    elif power == 2:
        _square(x, y, scale, shift)
    else:
        _power(x, y, scale, shift, power)


def backward(dy: Any, x: Any, dx: Any, power: float, scale: float, shift: float) -> None:
    """dx = dy power scale (shift + scale x)^(power - 1)."""
    if power == 0 or scale == 0:
        fill(dx.reshape(-1), 0)
    elif power == 1:
        _line(dy, dx, scale, 0.0)
    elif power == 2:
        _square_back(dy, x, dx, scale, shift)
    else:
        _power_back(dy, x, dx, power * scale, scale, shift, power - 1)


@unary
def _line(v, scale, shift):
    return v * scale + shift


@unary
def _square(v, scale, shift):
    base = v * scale + shift
    return base * base


@unary
def _power(v, scale, shift, power):
    return raised(v * scale + shift, power)


@binary
def _square_back(g, v, scale, shift):
    return g * (np.float32(2) * scale * (v * scale + shift))


@binary
def _power_back(g, v, slope, scale, shift, power):
    return g * (slope * raised(v * scale + shift, power))
