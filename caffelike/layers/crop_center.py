"""CropCenter: cuts the same off both ends of every axis."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Shape
from caffelike.registry import register


@register("CropCenter", param="crop_center_param")
class CropCenter(Layer):
    """y is x without the first and the last crop_size[i] places of each axis i.

    bottoms: x, any shape. tops: y, each axis 2 crop_size[i] shorter.
    crop_size: required, one number for each axis.
    Gradient: to the places kept, 0 elsewhere. Errors: ModelError for another number of crop_size, ShapeError when
        nothing would be left.
    Source: lltcggie's waifu2x-caffe.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the margins."""
        self.options = {"margins": tuple(int(n) for n in p.crop_size)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Shorter by twice the margins."""
        (shape,) = shapes
        margins = self.options["margins"]
        if len(margins) != len(shape):
            raise self.fail(f"crop_size is given {len(margins)} times for a bottom of {len(shape)} axes.", ModelError)
        top = tuple(n - 2 * m for n, m in zip(shape, margins, strict=True))
        if any(n < 1 for n, m in zip(top, margins, strict=True) if m):
            raise self.fail(f"crop_size {margins} leaves nothing of the bottom {shape}.")
        return [top]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach:
        """The pixel a margin further on."""
        axes = len(bottom) - 2
        return Reach((1,) * axes, (1,) * axes, self.options["margins"][2:])


def _middle(array: np.ndarray, margins: Shape) -> np.ndarray:
    return array[tuple(slice(m, n - m) for n, m in zip(array.shape, margins, strict=True))]


def forward(x: np.ndarray, y: np.ndarray, margins: Shape) -> None:
    """Copy the middle."""
    np.copyto(y, _middle(x, margins))


def backward(dy: np.ndarray, dx: np.ndarray, margins: Shape) -> None:
    """Copy into the middle."""
    dx[...] = 0
    _middle(dx, margins)[...] = dy
