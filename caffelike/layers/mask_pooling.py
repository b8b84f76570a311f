"""MaskPooling: maps times a mask."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("MaskPooling")
class MaskPooling(Layer):
    """y = x mask, the same mask for all channels of an item.

    bottoms: x (N, C, H, W); mask (N, 1, H, W). tops: y (N, C, H, W).
    Gradient: dy mask to x; to mask the sum of dy x over the channels.
    Errors: ShapeError for a mask of another size.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    bottoms = ("x", "mask")
    backward_reads = ("x", "mask")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The shape of x."""
        x, mask = shapes
        if len(x) != 4 or mask != (x[0], 1, *x[2:]):
            raise self.fail(f"needs maps (N, C, H, W) and a mask (N, 1, H, W), but they are {x} and {mask}.")
        return [x]


def forward(x: np.ndarray, mask: np.ndarray, y: np.ndarray) -> None:
    """y = x mask."""
    np.multiply(x, mask, out=y)


def backward(dy: np.ndarray, x: np.ndarray, mask: np.ndarray, dx: np.ndarray | None, dmask: np.ndarray | None) -> None:
    """The product rule."""
    if dx is not None:
        np.multiply(dy, mask, out=dx)
    if dmask is not None:
        np.sum(dy * x, axis=1, keepdims=True, out=dmask)
