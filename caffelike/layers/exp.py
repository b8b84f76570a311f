"""Exp: an exponential of a linear function."""

from math import exp, log
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Exp", param="exp_param")
class Exp(Elementwise):
    """y = base^(shift + scale x).

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    base -1, which means e; scale 1, shift 0.
    Gradient: dy y scale ln(base). Errors: ModelError for any other base that is not positive.
    Source: BVLC Caffe's Exp layer.
    """

    backward_reads = ("y",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Turn the options into y = outer exp(inner x)."""
        if p.base != -1 and p.base <= 0:
            raise self.fail(f"base is {p.base:g}; it must be positive, or -1 for e.", ModelError)
        logarithm = 1.0 if p.base == -1 else log(p.base)
        try:
            outer = exp(logarithm * p.shift)
        except OverflowError:
            raise self.fail(f"base {p.base:g} to the power of shift {p.shift:g} is too large.", ModelError) from None
        self.options = {"inner": logarithm * p.scale, "outer": outer}


def forward(x: np.ndarray, y: np.ndarray, inner: float, outer: float) -> None:
    """y = outer exp(inner x)."""
    np.multiply(x, inner, out=y)
    np.exp(y, out=y)
    y *= outer


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray, inner: float) -> None:
    """dx = dy y inner."""
    np.multiply(dy, y * inner, out=dx)
