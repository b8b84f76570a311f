"""ReLU6: rectified linear units that end at 6."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("ReLU6", param="relu6_param")
class ReLU6(Elementwise):
    """y = min(max(x, 0), 6) + negative_slope min(x, 0).

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    negative_slope 0.
    Gradient: dy where 0 < x < 6, negative_slope dy at x <= 0, none at 6 and above.
    Source: Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010; the layer: eric612's fork.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the slope; y tells where x lies unless the slope is negative."""
        slope = float(p.negative_slope)
        self.options = {"negative_slope": slope}
        self.backward_reads = ("y",) if slope >= 0 else ("x",)  # type: ignore[misc]


def forward(x: np.ndarray, y: np.ndarray, negative_slope: float) -> None:
    """Both parts by themselves, then their sum."""
    below = np.minimum(x, 0) * negative_slope if negative_slope else 0
    np.clip(x, 0, 6, out=y)
    y += below


def backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray, dx: np.ndarray, negative_slope: float) -> None:
    """The slope of each of the three pieces."""
    seen = y if negative_slope >= 0 else x
    slope = np.where(seen > 0, seen < 6, dy.dtype.type(negative_slope))
    np.multiply(dy, slope, out=dx)
