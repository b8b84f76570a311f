"""Flip: mirrors images."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Flip", param="flip_param")
class Flip(Layer):
    """y is x mirrored from left to right and, or, from top to bottom.

    bottoms: x (N, C, H, W). tops: y, the same shape.
    flip_width true: mirror the columns. flip_height false: mirror the rows.
    Gradient: dy mirrored back. Errors: ShapeError for a bottom without 4 axes.
    Source: happynear's caffe-windows.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the axes to mirror."""
        self.options = {"axes": (2,) * bool(p.flip_height) + (3,) * bool(p.flip_width)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        if len(shapes[0]) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shapes[0]}.")
        return [shapes[0]]


def forward(x: np.ndarray, y: np.ndarray, axes: tuple[int, ...]) -> None:
    """Mirror."""
    np.copyto(y, np.flip(x, axes))


def backward(dy: np.ndarray, dx: np.ndarray, axes: tuple[int, ...]) -> None:
    """Mirror back."""
    np.copyto(dx, np.flip(dy, axes))
