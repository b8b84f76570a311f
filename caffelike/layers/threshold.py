"""Threshold: 1 above a limit, else 0."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Threshold", param="threshold_param")
class Threshold(Elementwise):
    """y = 1 where x > threshold, else 0 (NaN included).

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    threshold 0. Gradient: none. Source: BVLC Caffe's Threshold layer.
    """

    no_gradient = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the limit."""
        self.options = {"threshold": float(p.threshold)}


def forward(x: np.ndarray, y: np.ndarray, threshold: float) -> None:
    """Compare."""
    y[...] = x > threshold
