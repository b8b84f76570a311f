"""Reduction: sums over the last axes."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("Reduction", param="reduction_param")
class Reduction(Layer):
    """y = coeff times the SUM, the ASUM (of absolute values), the SUMSQ (of squares) or the MEAN of the last axes.

    bottoms: x. tops: y, the shape of x up to `axis` (a single number for axis 0).
    operation SUM. axis 0: all axes from there on are summed; negative counts from the end. coeff 1.
    Gradient: coeff dy; times sign(x) for ASUM (0 at 0), 2 x for SUMSQ, 1 / count for MEAN.
    Source: BVLC Caffe's Reduction layer.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options; only ASUM and SUMSQ need x again."""
        operation = type(p).ReductionOp.Name(p.operation)
        self._axis, self._coeff = int(p.axis), float(p.coeff)
        self.options = {"operation": operation}
        self.backward_reads = ("x",) if operation in ("ASUM", "SUMSQ") else ()  # type: ignore[misc]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The axes in front; a MEAN is a SUM with a smaller factor from here on."""
        (shape,) = shapes
        axis = canonical_axis(self, self._axis, len(shape)) if shape else 0
        count = int(np.prod(shape[axis:], dtype=np.int64))
        self.options["factor"] = self._coeff / max(1, count) if self.options["operation"] == "MEAN" else self._coeff
        return [shape[:axis]]


def forward(x: np.ndarray, y: np.ndarray, operation: str, factor: float) -> None:
    """Sum over the axes that y lacks."""
    terms = {"ASUM": np.abs, "SUMSQ": np.square}.get(operation, np.asarray)(x)
    y[...] = terms.sum(axis=tuple(range(y.ndim, x.ndim))) * factor


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, operation: str, factor: float) -> None:
    """Spread each gradient over what was summed."""
    share = dy.reshape(dy.shape + (1,) * (dx.ndim - dy.ndim)) * factor
    if operation == "ASUM":
        np.multiply(share, np.sign(x), out=dx)
    elif operation == "SUMSQ":
        np.multiply(share, 2 * x, out=dx)
    else:
        dx[...] = share
