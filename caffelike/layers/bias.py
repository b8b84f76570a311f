"""Bias: adds a small array along some axes."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._broadcast import accumulate, covered, gather, placed, spread
from caffelike.registry import register


@register("Bias", param="bias_param")
class Bias(Layer):
    """y = x + bias, where bias has the shape of some successive axes of x.

    bottoms: x, any shape; bias, if it is not to be learned. tops: y, the shape of x; may be in place.
    params: bias, when there is one bottom.
    axis 1: the first axis of x that bias acts along; negative counts from the end. num_axes 1: how many axes the
    learned bias covers, -1 for all, 0 for a single number. filler: constant 0.
    Gradient: dy to x; to bias the sum of dy over the other axes.
    Errors: ModelError for options, ShapeError when bias does not fit x.
    Source: BVLC Caffe's Bias layer.
    """

    bottoms = ("x", "bias?")
    params = ("bias?",)
    inplace = True

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare the bias unless it is a bottom."""
        self._axis, self._learned = int(p.axis), len(shapes) == 1
        if self._learned:
            self.add_param("bias", covered(self, p.axis, p.num_axes, shapes[0]), p.filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The shape of x."""
        small = self.blobs[0].shape if self._learned else shapes[1]
        self.options = {"axis": placed(self, self._axis, small, shapes[0], "bias"), "learned": self._learned}
        return [shapes[0]]


def forward(x: np.ndarray, bias: np.ndarray, y: np.ndarray, axis: int) -> None:
    """Add along the axes."""
    np.add(x, spread(bias, axis, x.ndim), out=y)


def backward(
    dy: np.ndarray,
    bias: np.ndarray,
    dx: np.ndarray | None,
    dbias: np.ndarray | None,
    axis: int,
    learned: bool,
    beta: int,
) -> None:
    """Sum for the bias; pass on to x. Of `bias` only the number of axes matters."""
    if dbias is not None:
        accumulate(dbias, gather(dy, axis, bias.ndim), beta if learned else 0)
    if dx is not None:
        np.copyto(dx, dy)
