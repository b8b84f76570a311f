"""ArgMax: where the largest values are."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("ArgMax", param="argmax_param")
class ArgMax(Layer):
    """The indices of the top_k largest values, the largest first; of equal values the last one comes first.

    bottoms: x (N, ...). tops: y, indices as floats.
    Without axis: over all values of an item; y (N, 1, top_k), with out_max_val (N, 2, top_k): indices, then values;
        axes of length 1 are appended up to the number of axes of x.
    axis: along that axis, whose length becomes top_k; with out_max_val the values in place of the indices.
    top_k 1, out_max_val false. Gradient: none.
    Errors: ModelError when top_k exceeds the number of values or the axis does not exist.
    Source: BVLC Caffe's ArgMax layer.
    """

    no_gradient = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        self._axis = int(p.axis) if p.HasField("axis") else None
        self.options = {"top_k": int(p.top_k), "out_max_val": bool(p.out_max_val)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The shape with top_k in place of what is searched."""
        (shape,) = shapes
        top_k = self.options["top_k"]
        if not shape:
            raise self.fail("needs a bottom of at least one axis (N, ...), but it is a single number.")
        axis = self._axis if self._axis is None else canonical_axis(self, self._axis, len(shape))
        self.options["axis"] = axis
        among = int(np.prod(shape[1:], dtype=np.int64)) if axis is None else shape[axis]
        if not 1 <= top_k <= among:
            raise self.fail(f"top_k is {top_k}, but {shape} has {among} values to choose from.", ModelError)
        if axis is not None:
            return [(*shape[:axis], top_k, *shape[axis + 1 :])]
        return [(shape[0], 1 + self.options["out_max_val"], top_k, *(1,) * (len(shape) - 3))]


def forward(x: np.ndarray, y: np.ndarray, top_k: int, out_max_val: bool, axis: int | None) -> None:
    """Sort upwards and read from the end."""
    if x.size == 0:
        return
    values = x if axis is not None else x.reshape(x.shape[0], -1)
    along = 1 if axis is None else axis
    order = np.flip(np.argsort(values, axis=along, kind="stable"), axis=along)
    order = np.take(order, range(top_k), axis=along)
    if axis is not None:
        y[...] = np.take_along_axis(values, order, along) if out_max_val else order
        return
    parts = y.reshape(x.shape[0], -1, top_k)
    parts[:, 0] = order
    if out_max_val:
        parts[:, 1] = np.take_along_axis(values, order, 1)
