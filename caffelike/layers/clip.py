"""Clip: limits values to a range."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Clip", param="clip_param")
class Clip(Elementwise):
    """y = max(min(x, max), min).

    bottoms: x, any shape. tops: y, the same shape; may be in place (a copy of x is then kept for backward).
    min, max: required. NaN becomes min, as in Caffe.
    Gradient: dy where min <= x <= max, else 0. Errors: ModelError where a limit is missing or min exceeds max.
    Source: BVLC Caffe's Clip layer.
    """

    backward_reads = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the limits."""
        for field in ("min", "max"):
            if not p.HasField(field):
                raise self.fail(f"has no {field}; add clip_param {{ min: ... max: ... }}.", ModelError)
        if not p.min <= p.max:
            raise self.fail(f"min {p.min:g} exceeds max {p.max:g}; exchange them.", ModelError)
        self.options = {"low": float(p.min), "high": float(p.max)}


def forward(x: np.ndarray, y: np.ndarray, low: float, high: float) -> None:
    """Cut at both ends; fmax takes the number where the other is NaN."""
    np.minimum(x, high, out=y)
    np.fmax(y, low, out=y)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, low: float, high: float) -> None:
    """Pass the gradient inside the range, ends included."""
    np.multiply(dy, (x >= low) & (x <= high), out=dx)
