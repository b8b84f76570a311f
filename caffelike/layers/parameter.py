"""Parameter: a learnable blob as a top."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Parameter", param="parameter_param")
class Parameter(Layer):
    """A learnable array that other layers read as a blob: y = weight.

    tops: y (shape). params: weight (shape), 0 at first.
    shape: any, required. Errors: ModelError without it.
    Gradient: dweight = dy, added to what is there like every parameter's. (Caffe lets the top be the
    parameter's own memory, so that a second pass of iter_size replaces the gradient of the first.)
    Source: BVLC Caffe's Parameter layer.
    """

    bottoms = ()
    params = ("weight",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare the parameter."""
        if not p.HasField("shape"):
            raise self.fail("needs parameter_param { shape { dim: ... } }.", ModelError)
        self._shape = tuple(int(d) for d in p.shape.dim)
        self.add_param("weight", self._shape)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The parameter's shape."""
        return [self._shape]


def forward(weight: np.ndarray, y: np.ndarray) -> None:
    """Copy the parameter into the top."""
    y[...] = weight


def backward(dy: np.ndarray, dweight: np.ndarray | None, beta: float) -> None:
    """The gradient is the top's."""
    if dweight is not None:
        dweight[...] = dy + dweight if beta else dy
