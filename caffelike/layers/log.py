"""Log: a logarithm of a linear function."""

from math import log
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Log", param="log_param")
class Log(Elementwise):
    """y = log(shift + scale x) / log(base).

    bottoms: x, any shape. tops: y, the same shape; may be in place (a copy of x is then kept for backward).
    base -1, which means e; scale 1, shift 0. The logarithm of 0 is -infinity, of a negative number NaN.
    Gradient: dy scale / ((shift + scale x) ln(base)). Errors: ModelError for any other base that is not positive, or 1.
    Source: BVLC Caffe's Log layer.
    """

    backward_reads = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Turn the base into a factor."""
        if p.base == 1 or (p.base != -1 and p.base <= 0):
            raise self.fail(f"base is {p.base:g}; it must be positive and not 1, or -1 for e.", ModelError)
        factor = 1.0 if p.base == -1 else 1 / log(p.base)
        self.options = {"factor": factor, "scale": float(p.scale), "shift": float(p.shift)}


def forward(x: np.ndarray, y: np.ndarray, factor: float, scale: float, shift: float) -> None:
    """Scale, shift, logarithm, change of base."""
    np.multiply(x, scale, out=y)
    y += shift
    np.log(y, out=y)
    y *= factor


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, factor: float, scale: float, shift: float) -> None:
    """The chain rule."""
    np.multiply(dy, (scale * factor) / (shift + scale * x), out=dx)
