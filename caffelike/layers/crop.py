"""Crop: a part of a blob as large as another."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.layers._spatial import Sizes, canonical_axis
from caffelike.registry import register


@register("Crop", param="crop_param")
class Crop(Layer):
    """From `axis` on, y is the part of x that begins at `offset` and is as long as ref.

    bottoms: x; ref, whose shape alone matters. tops: y.
    axis 2; negative counts from the end. offset: none (0), one for all cropped axes, or one for each.
    Gradient: to x, 0 outside the part; none to ref. Errors: ShapeError when the part leaves x.
    Source: BVLC Caffe's Crop layer.
    """

    bottoms = ("x", "ref")
    no_gradient = ("ref",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read axis and offsets."""
        self._axis = canonical_axis(self, p.axis, len(shapes[0]))
        self._offsets = [int(v) for v in p.offset]
        cropped = len(shapes[0]) - self._axis
        if len(self._offsets) > 1 and len(self._offsets) != cropped:
            raise self.fail(
                f"offset is given {len(self._offsets)} times for {cropped} cropped axes; give it once, or once for"
                " each.",
                ModelError,
            )

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """x's shape before `axis`, ref's from there on."""
        x, ref = shapes
        if len(ref) < len(x):
            raise self.fail(f"the reference {ref} has fewer axes than the bottom {x}.")
        cropped = len(x) - self._axis
        offsets = self._offsets if len(self._offsets) == cropped else (self._offsets or [0]) * cropped
        for i, offset in enumerate(offsets, self._axis):
            if offset + ref[i] > x[i]:
                raise self.fail(
                    f"the crop leaves axis {i}: offset {offset} and the reference's length {ref[i]} exceed the"
                    f" bottom's {x[i]}."
                )
        self.options["offset"] = (*[0] * self._axis, *offsets)
        return [(*x[: self._axis], *ref[self._axis : len(x)])]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """The pixel `offset` further on; the reference only gives a size."""
        if index:
            return Sees.NOTHING
        axes = len(bottom) - 2
        return Reach((1,) * axes, (1,) * axes, self.options["offset"][2:])


def _part(array: np.ndarray, offset: Sizes, shape: Shape) -> np.ndarray:
    places: list[Any] = [slice(o, o + n) for o, n in zip(offset, shape, strict=True)]
    return array[tuple(places)]


def forward(x: np.ndarray, y: np.ndarray, offset: Sizes) -> None:
    """Copy the part."""
    y[...] = _part(x, offset, y.shape)


def backward(dy: np.ndarray, dx: np.ndarray, offset: Sizes) -> None:
    """Copy the gradient into the part."""
    dx[...] = 0
    _part(dx, offset, dy.shape)[...] = dy
