"""Scale: multiplies by a small array along some axes, and adds another."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._broadcast import accumulate, covered, gather, placed, spread
from caffelike.registry import register


@register("Scale", param="scale_param")
class Scale(Layer):
    """y = x scale + bias, where scale and bias have the shape of some successive axes of x.

    bottoms: x, any shape; scale, if it is not to be learned. tops: y, the shape of x; may be in place.
    params: scale, when there is one bottom; bias, with bias_term.
    axis 1: the first axis of x that scale acts along; negative counts from the end. num_axes 1: how many axes the
    learned scale covers, -1 for all, 0 for a single number. filler: constant 1. bias_term false. bias_filler:
    constant 0.
    Gradient: dy scale to x; to scale the sum of dy x over the other axes; to bias that of dy.
    Errors: ModelError for options, ShapeError when scale does not fit x.
    Source: BVLC Caffe's Scale layer.
    """

    bottoms = ("x", "scale?")
    params = ("scale?", "bias?")
    inplace = True
    backward_reads = ("x", "scale")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare the scale, unless it is a bottom, and the bias."""
        self._axis, self._learned = int(p.axis), len(shapes) == 1
        self._shape = covered(self, p.axis, p.num_axes, shapes[0]) if self._learned else shapes[1]
        if self._learned:
            self.add_param("scale", self._shape, p.filler if p.HasField("filler") else None, value=1.0)
        if p.bias_term:
            self.add_param("bias", self._shape, p.bias_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The shape of x."""
        small = self._shape if self._learned else shapes[1]
        if "bias" in self.param_names and small != self._shape:
            raise self.fail(f"the bias has shape {self._shape}, but the second bottom is {small}.")
        self.options = {"axis": placed(self, self._axis, small, shapes[0], "scale"), "learned": self._learned}
        return [shapes[0]]


def forward(x: np.ndarray, scale: np.ndarray, bias: np.ndarray | None, y: np.ndarray, axis: int) -> None:
    """Multiply and add along the axes."""
    np.multiply(x, spread(scale, axis, x.ndim), out=y)
    if bias is not None:
        y += spread(bias, axis, x.ndim)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    axis: int,
    learned: bool,
    beta: int,
) -> None:
    """Sums for scale and bias first: dx may be dy's memory. A second bottom's gradient is overwritten."""
    if dscale is not None:
        accumulate(dscale, gather(dy * x, axis, scale.ndim), beta if learned else 0)
    if dbias is not None:
        accumulate(dbias, gather(dy, axis, scale.ndim), beta)
    if dx is not None:
        np.multiply(dy, spread(scale, axis, x.ndim), out=dx)


def affine(scale: np.ndarray, bias: np.ndarray | None, axis: int, learned: bool) -> tuple[np.ndarray, Any] | None:
    """(scale, shift) of each channel if y = scale x + shift with the layer's own channel-wise values; else None."""
    if not learned or axis != 1 or scale.ndim != 1:
        return None
    return scale, 0 if bias is None else bias
