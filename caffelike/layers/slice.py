"""Slice: a blob cut along an axis."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import Sizes, canonical_axis
from caffelike.registry import register


@register("Slice", param="slice_param")
class Slice(Layer):
    """Each top is a part of x along `axis`: what Concat puts together.

    bottoms: x, any shape. tops: one or more.
    axis 1; negative counts from the end. slice_dim: its old name.
    slice_point: where to cut, one less than there are tops, growing; none: equal parts.
    Gradient: to x. Errors: ModelError for points that do not fit, ShapeError for parts that do not come out even.
    Source: BVLC Caffe's Slice layer.
    """

    tops = ("*ys",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read axis and points."""
        if p.HasField("axis") and p.HasField("slice_dim"):
            raise self.fail("axis and slice_dim are both given; keep axis.", ModelError)
        field = "slice_dim" if p.HasField("slice_dim") else "axis"
        self.options = {"axis": canonical_axis(self, int(getattr(p, field)), len(shapes[0]), field)}
        self._points = [int(v) for v in p.slice_point]
        tops = len(self.message.top)
        if self._points and len(self._points) != tops - 1:
            raise self.fail(f"{tops} tops need {tops - 1} slice_points, but {len(self._points)} are given.", ModelError)
        if any(a >= b for a, b in zip([0, *self._points], self._points, strict=False)):
            raise self.fail(f"slice_points {self._points} must grow, beginning above 0.", ModelError)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The parts' shapes."""
        (shape,) = shapes
        axis, tops = self.options["axis"], len(self.message.top)
        length = shape[axis]
        if self._points:
            if self._points[-1] >= length:
                raise self.fail(f"slice_point {self._points[-1]} is not inside axis {axis} of the bottom {shape}.")
            points = self._points
        else:
            if length % tops:
                raise self.fail(f"axis {axis} of the bottom {shape} cannot be cut into {tops} equal parts.")
            points = [length // tops * i for i in range(1, tops)]
        self.options["points"] = tuple(points)
        edges = zip([0, *points], [*points, length], strict=True)
        return [(*shape[:axis], end - start, *shape[axis + 1 :]) for start, end in edges]


def _parts(array: np.ndarray, axis: int, points: Sizes) -> list[np.ndarray]:
    return np.split(array, points, axis=axis)


def forward(x: np.ndarray, ys: tuple[np.ndarray, ...], axis: int, points: Sizes) -> None:
    """Copy each part to its top."""
    for y, part in zip(ys, _parts(x, axis, points), strict=True):
        y[...] = part


def backward(dys: tuple[np.ndarray | None, ...], dx: np.ndarray, axis: int, points: Sizes) -> None:
    """Copy each gradient to its part."""
    for dy, part in zip(dys, _parts(dx, axis, points), strict=True):
        part[...] = 0 if dy is None else dy
