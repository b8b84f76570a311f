"""Concat: blobs one after the other along an axis."""

from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import Sizes, canonical_axis
from caffelike.registry import register


@register("Concat", param="concat_param")
class Concat(Layer):
    """y holds the bottoms one after the other along `axis`.

    bottoms: one or more, of one shape but for that axis. tops: y.
    axis 1; negative counts from the end. concat_dim: its old name.
    Gradient: its part to each bottom. Errors: ShapeError when other axes differ.
    Source: BVLC Caffe's Concat layer.
    """

    bottoms = ("*xs",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the axis."""
        if p.HasField("axis") and p.HasField("concat_dim"):
            raise self.fail("axis and concat_dim are both given; keep axis.", ModelError)
        field = "concat_dim" if p.HasField("concat_dim") else "axis"
        self.options = {"axis": canonical_axis(self, int(getattr(p, field)), len(shapes[0]), field)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The first bottom's shape with the lengths along the axis added up."""
        axis, first = self.options["axis"], shapes[0]
        for i, shape in enumerate(shapes):
            if len(shape) != len(first) or shape[:axis] != first[:axis] or shape[axis + 1 :] != first[axis + 1 :]:
                names = list(self.message.bottom)
                raise self.fail(
                    f"all bottoms must have one shape but for axis {axis}, but '{names[0]}' is {first} and"
                    f" '{names[i]}' is {shape}."
                )
        edges = [0]
        for shape in shapes:
            edges.append(edges[-1] + shape[axis])
        self.options["points"] = tuple(edges[1:-1])
        return [(*first[:axis], edges[-1], *first[axis + 1 :])]

    def joins(self, *shapes: Shape) -> list[int] | None:
        """One after the other where no axis before `axis` is longer than 1, as for one image."""
        if prod(shapes[0][: self.options["axis"]]) != 1:
            return None
        return [0, *accumulate(prod(shape) for shape in shapes[:-1])]


def forward(xs: tuple[np.ndarray, ...], y: np.ndarray, axis: int) -> None:
    """Copy each bottom to its place."""
    np.concatenate(xs, axis=axis, out=y)


def backward(dy: np.ndarray, dxs: tuple[np.ndarray | None, ...], axis: int, points: Sizes) -> None:
    """Copy each place back; `points` are where the bottoms meet."""
    for dx, part in zip(dxs, np.split(dy, points, axis=axis), strict=True):
        if dx is not None:
            dx[...] = part
