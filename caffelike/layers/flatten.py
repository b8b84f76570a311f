"""Flatten: several axes become one."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("Flatten", param="flatten_param")
class Flatten(Layer):
    """The axes `axis` to `end_axis` (both included) of x as one; the memory is shared, nothing is copied.

    bottoms: x, any shape. tops: y, the same values.
    axis 1, end_axis -1; negative counts from the end.
    Gradient: shared likewise. Errors: ModelError for axes that x does not have or that are the wrong way round.
    Source: BVLC Caffe's Flatten layer.
    """

    shares = ("data", "diff")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Keep the options; they are read against each shape."""
        self._p = p

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's with those axes multiplied."""
        (shape,) = shapes
        axis = canonical_axis(self, self._p.axis, len(shape))
        end = canonical_axis(self, self._p.end_axis, len(shape), "end_axis")
        if end < axis - 1:
            raise self.fail(f"end_axis {self._p.end_axis} lies before axis {self._p.axis} of {shape}.", ModelError)
        return [(*shape[:axis], int(np.prod(shape[axis : end + 1], dtype=np.int64)), *shape[end + 1 :])]
