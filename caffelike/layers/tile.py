"""Tile: a blob repeated along an axis."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("Tile", param="tile_param")
class Tile(Layer):
    """y holds x `tiles` times, one copy after the other along `axis`.

    bottoms: x, any shape. tops: y. axis 1; negative counts from the end. tiles: required.
    Gradient: the sum over the copies. Errors: ModelError for fewer than 1 tile or an axis that x does not have.
    Source: BVLC Caffe's Tile layer.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read axis and number."""
        if p.tiles < 1:
            raise self.fail(f"tiles is {p.tiles}; it must be at least 1.", ModelError)
        self.options = {"axis": canonical_axis(self, p.axis, len(shapes[0])), "tiles": int(p.tiles)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """`tiles` times as long along `axis`."""
        (shape,) = shapes
        axis = self.options["axis"]
        return [(*shape[:axis], shape[axis] * self.options["tiles"], *shape[axis + 1 :])]


def forward(x: np.ndarray, y: np.ndarray, axis: int, tiles: int) -> None:
    """Copy."""
    y.reshape(*x.shape[:axis], tiles, *x.shape[axis:])[...] = np.expand_dims(x, axis)


def backward(dy: np.ndarray, dx: np.ndarray, axis: int, tiles: int) -> None:
    """Sum."""
    dy.reshape(*dx.shape[:axis], tiles, *dx.shape[axis:]).sum(axis=axis, out=dx)
