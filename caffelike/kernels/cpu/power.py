"""Power; see layers/power.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.pointwise import binary, unary
from caffelike.kernels.jit import kernel


def forward(x: np.ndarray, y: np.ndarray, power: float, scale: float, shift: float) -> None:
    """y = (shift + scale x)^power."""
    if power == 0 or scale == 0:
        with np.errstate(all="ignore"):  # 0 to a negative power
            y[...] = np.float64(shift) ** power
    elif power == 1:
        _line(x, y, scale, shift)
    elif power == 2:
        _square(x, y, scale, shift)
    else:
        _power(x, y, scale, shift, power)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, power: float, scale: float, shift: float) -> None:
    """dx = dy power scale (shift + scale x)^(power - 1)."""
    if power == 0 or scale == 0:
        dx[...] = 0
    elif power == 1:
        _line(dy, dx, scale, 0.0)
    elif power == 2:
        _square_back(dy, x, dx, scale, shift)
    else:
        _power_back(dy, x, dx, scale, shift, power)


@kernel
def _on_line(v, numbers):
    return v * np.float32(numbers[0]) + np.float32(numbers[1])


@kernel
def _squared(v, numbers):
    base = _on_line(v, numbers)
    return base * base


@kernel
def _raised(v, numbers):
    return _on_line(v, numbers) ** np.float32(numbers[2])


@kernel
def _squared_gradient(g, v, numbers):
    return g * (np.float32(2 * numbers[0]) * _on_line(v, numbers))


@kernel
def _raised_gradient(g, v, numbers):
    power = numbers[2]
    return g * (np.float32(power * numbers[0]) * _on_line(v, numbers) ** np.float32(power - 1))


_line, _square, _power = unary(_on_line), unary(_squared), unary(_raised, 1 << 11)
_square_back, _power_back = binary(_squared_gradient), binary(_raised_gradient, 1 << 11)
