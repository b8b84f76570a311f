"""ReLU: rectified linear units, leaky ones included."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("ReLU", param="relu_param", names=["relu"])
class ReLU(Elementwise):
    """y = max(x, 0) + negative_slope min(x, 0).

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    negative_slope 0. NaN stays NaN; without a slope -infinity becomes NaN too (0 times infinity), as in Caffe.
    Gradient: dy where x > 0, negative_slope dy elsewhere (x = 0 included).
    Source: Nair and Hinton, ICML 2010; Maas et al., ICML 2013.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the slope; y tells the sign of x unless the slope is negative."""
        slope = float(p.negative_slope)
        self.options = {"negative_slope": slope}
        self.backward_reads = ("y",) if slope >= 0 else ("x",)  # type: ignore[misc]


def forward(x: np.ndarray, y: np.ndarray, negative_slope: float) -> None:
    """Both parts by themselves, then their sum."""
    below = np.minimum(x, 0) * negative_slope
    np.maximum(x, 0, out=y)
    y += below


def backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray, dx: np.ndarray, negative_slope: float) -> None:
    """Pass the gradient where the value was positive, a part of it elsewhere."""
    positive = (y if negative_slope >= 0 else x) > 0
    np.multiply(dy, positive if negative_slope == 0 else np.where(positive, dy.dtype.type(1), negative_slope), out=dx)
