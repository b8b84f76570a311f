"""AbsVal: absolute values."""

import numpy as np

from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("AbsVal")
class AbsVal(Elementwise):
    """y = |x|.

    bottoms: x, any shape. tops: y, the same shape; not in place, as in Caffe.
    Gradient: dy, its opposite where x < 0, 0 where x = 0. Source: BVLC Caffe's AbsVal layer.
    """

    inplace = False
    backward_reads = ("x",)


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """Element by element."""
    np.abs(x, out=y)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray) -> None:
    """The sign of x, times dy."""
    np.multiply(dy, np.sign(x), out=dx)
