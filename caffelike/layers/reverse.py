"""Reverse: turns an axis round, as the second half of a bidirectional LSTM needs it."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("Reverse", param="reverse_param")
class Reverse(Layer):
    """y[..., i, ...] = x[..., length - 1 - i, ...] along one axis.

    bottoms: x, any shape. tops: y, the same shape.
    axis 0: time, where x is (T, N, ...).
    Gradient: dy turned round again. Errors: ModelError for an axis that x has not.
    Source: the layer of BVLC Caffe's pull request 4338 and of CTC forks.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the axis."""
        self._axis = int(p.axis)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        self.options["axis"] = canonical_axis(self, self._axis, len(shapes[0]))
        return [shapes[0]]


def forward(x: np.ndarray, y: np.ndarray, axis: int) -> None:
    """Turn round."""
    np.copyto(y, np.flip(x, axis))


def backward(dy: np.ndarray, dx: np.ndarray, axis: int) -> None:
    """Turn round again."""
    np.copyto(dx, np.flip(dy, axis))
