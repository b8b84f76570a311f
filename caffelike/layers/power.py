"""Power: a power of a linear function."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Power", param="power_param")
class Power(Elementwise):
    """y = (shift + scale x)^power.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    power 1, scale 1, shift 0. With power 0 or scale 0 y is the constant shift^power (1 for power 0), whatever x is.
    A negative base with a fractional power gives NaN.
    Gradient: dy power scale (shift + scale x)^(power - 1). Where the base is 0 Caffe divides 0 by 0 and gives NaN; here
    it is the limit, 0 or infinity.
    Source: BVLC Caffe's Power layer.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the three numbers; only a curve's slope depends on x."""
        self.options = {"power": float(p.power), "scale": float(p.scale), "shift": float(p.shift)}
        straight = p.power in (0, 1) or p.scale == 0
        self.backward_reads = () if straight else ("x",)  # type: ignore[misc]


def forward(x: np.ndarray, y: np.ndarray, power: float, scale: float, shift: float) -> None:
    """Scale, shift, then raise."""
    if power == 0 or scale == 0:
        y[...] = np.float64(shift) ** power  # 1 for power 0
        return
    np.multiply(x, scale, out=y)
    y += shift
    if power != 1:
        np.power(y, power, out=y)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, power: float, scale: float, shift: float) -> None:
    """The chain rule."""
    if power == 0 or scale == 0:
        dx[...] = 0
    elif power == 1:
        np.multiply(dy, scale, out=dx)
    else:
        slope = (power * scale) * (shift + scale * x) ** (power - 1)
        np.multiply(dy, slope, out=dx)
