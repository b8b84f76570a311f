"""ShuffleChannel: mixes the channels of several groups."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("ShuffleChannel", param="shuffle_channel_param")
class ShuffleChannel(Layer):
    """y[n, j * group + i] = x[n, i * (C / group) + j]: the first channel of each group, then the second of each, ...

    bottoms: x (N, C, ...). tops: y, the same shape.
    group 1.
    Gradient: dy, put back. Errors: ShapeError when group does not divide C.
    Source: Zhang et al., "ShuffleNet", CVPR 2018 (farmingyard's fork).
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the number of groups."""
        if p.group < 1:
            raise self.fail("group must be at least 1.", ModelError)
        self.options = {"group": int(p.group)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        (shape,) = shapes
        if len(shape) < 2 or shape[1] % self.options["group"]:
            raise self.fail(f"group {self.options['group']} must divide the channels of the bottom {shape}.")
        return [shape]


def forward(x: np.ndarray, y: np.ndarray, group: int) -> None:
    """Groups as columns become rows."""
    n, c, *places = x.shape
    y.reshape(n, c // group, group, *places)[...] = x.reshape(n, group, c // group, *places).swapaxes(1, 2)


def backward(dy: np.ndarray, dx: np.ndarray, group: int) -> None:
    """And back."""
    n, c, *places = dx.shape
    dx.reshape(n, group, c // group, *places)[...] = dy.reshape(n, c // group, group, *places).swapaxes(1, 2)
