"""TanH: the hyperbolic tangent."""

import numpy as np

from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("TanH", param="tanh_param")
class TanH(Elementwise):
    """y = tanh(x).

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    Gradient: dy (1 - y^2). Source: BVLC Caffe's TanH layer.
    """

    backward_reads = ("y",)


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """Element by element."""
    np.tanh(x, out=y)


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """dx = dy (1 - y^2)."""
    np.multiply(dy, 1 - y * y, out=dx)
