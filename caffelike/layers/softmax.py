"""Softmax: scores to probabilities."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.layers._loss import softmax, softmax_gradient
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("Softmax", param="softmax_param", names=["VoxelSoftmax"])
class Softmax(Elementwise):
    """y = exp(x) / sum(exp(x)) along an axis; the largest x is subtracted first, so nothing overflows.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    axis 1; negative counts from the end.
    Gradient: y (dy - sum(dy y)). Errors: ModelError for an axis the bottom does not have.
    Source: BVLC Caffe's Softmax layer.
    """

    backward_reads = ("y",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the axis."""
        self._axis = int(p.axis)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        self.options = {"axis": canonical_axis(self, self._axis, len(shapes[0]))}
        return [shapes[0]]


def forward(x: np.ndarray, y: np.ndarray, axis: int) -> None:
    """Along the axis."""
    softmax(x, axis, y)


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray, axis: int) -> None:
    """dx = y (dy - sum(dy y))."""
    dx[...] = softmax_gradient(dy, y, axis)
