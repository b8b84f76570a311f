"""Reshape: the same values under another shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Reshape", param="reshape_param")
class Reshape(Layer):
    """Replace the axes axis .. axis + num_axes - 1 of x by `shape`; the memory is shared, nothing is copied.

    bottoms: x. tops: y, the same values.
    shape: the new lengths; 0 keeps the bottom's length at that place, one -1 is worked out.
    axis 0: the first axis replaced; -1 stands behind the last one. num_axes -1: all axes from there on.
    Gradient: shared likewise. Errors: ModelError for options, ShapeError when the counts differ.
    Source: BVLC Caffe's Reshape layer.
    """

    shares = ("data", "diff")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Keep the options; they are read against each shape."""
        self._dims = [int(d) for d in p.shape.dim]
        self._axis, self._num_axes = int(p.axis), int(p.num_axes)
        if self._dims.count(-1) > 1:
            raise self.fail(f"shape {self._dims} has more than one -1; only one length can be worked out.", ModelError)
        if any(d < -1 for d in self._dims):
            raise self.fail(f"shape {self._dims} has a length below -1.", ModelError)
        if self._num_axes < -1:
            raise self.fail(f"num_axes is {self._num_axes}; use -1 for all, or 0 and up.", ModelError)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The new shape."""
        (shape,) = shapes
        start = self._axis if self._axis >= 0 else len(shape) + self._axis + 1
        end = len(shape) if self._num_axes == -1 else start + self._num_axes
        if not 0 <= start <= len(shape) or end > len(shape):
            raise self.fail(
                f"axis {self._axis} and num_axes {self._num_axes} leave the {len(shape)} axes of {shape}.", ModelError
            )
        for i, d in enumerate(self._dims):
            if d == 0 and start + i >= len(shape):
                raise self.fail(f"0 at place {i} of shape {self._dims} has no axis of {shape} to keep.", ModelError)
        top = self._replaced(shape, start, end)
        count = _count(shape)
        if -1 in top:
            place = top.index(-1)
            # An empty batch hides what one item has: count as if it were one.
            filled = shape if _count(top) else tuple(n or 1 for n in shape)
            known = -_count(self._replaced(filled, start, end))
            if _count(filled) % known:
                raise self.fail(f"{shape} has {count} values, which {known} does not divide: no length fits for -1.")
            top[place] = _count(filled) // known
        if _count(top) != count:
            raise self.fail(f"{shape} has {count} values, but {tuple(top)} has another number.")
        return [tuple(top)]

    def _replaced(self, shape: Shape, start: int, end: int) -> list[int]:
        """`shape` with the new lengths in place of start .. end, -1 among them where one is to be worked out."""
        dims = [d or shape[start + i] for i, d in enumerate(self._dims)]
        return [*shape[:start], *dims, *shape[end:]]


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
