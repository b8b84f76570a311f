"""MVN: normalises each channel of each item to mean 0 and variance 1."""

from typing import Any

import numpy as np

from caffelike.layer import Sees, Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("MVN", param="mvn_param")
class MVN(Elementwise):
    """y = (x - mean) / (sqrt(variance) + eps), over each channel of each item by itself.

    bottoms: x (N, C, ...). tops: y, the same shape; may be in place.
    normalize_variance true: false subtracts the mean only. across_channels false: true takes an item's channels
    together. eps 1e-9.
    Gradient: to x, through mean and variance (eps taken as constant).
    Errors: ShapeError for a single number. Source: BVLC Caffe's MVN layer.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        self._across = bool(p.across_channels)
        self.options = {"normalize_variance": bool(p.normalize_variance), "eps": float(p.eps)}
        self.backward_reads = ("y", "deviation") if p.normalize_variance else ()  # type: ignore[misc]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape; `deviation` is what each group was divided by."""
        (shape,) = shapes
        if not shape:
            raise self.fail("needs a bottom of at least one axis (N, ...), but it is a single number.")
        groups = shape[0] * (1 if self._across or len(shape) < 2 else shape[1])
        self.options["groups"] = groups
        self.keep("deviation", (groups, 1))
        return [shape]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """All pixels, through mean and variance."""
        return Sees.ALL


def forward(
    x: np.ndarray, y: np.ndarray, deviation: np.ndarray | None, groups: int, normalize_variance: bool, eps: float
) -> None:
    """Group by group."""
    if x.size == 0:
        return
    values, out = x.reshape(groups, -1), y.reshape(groups, -1)
    np.subtract(values, values.mean(axis=1, keepdims=True), out=out)
    if normalize_variance:
        root = np.sqrt(np.square(out).mean(axis=1, keepdims=True)) + eps
        out /= root
        if deviation is not None:
            deviation[...] = root


def backward(
    dy: np.ndarray, y: np.ndarray, deviation: np.ndarray, dx: np.ndarray, groups: int, normalize_variance: bool
) -> None:
    """dx = (dy - mean(dy) - y mean(dy y)) / deviation, or dy - mean(dy)."""
    if dx.size == 0:
        return
    gradient, out = dy.reshape(groups, -1), dx.reshape(groups, -1)
    average = gradient.mean(axis=1, keepdims=True)
    if normalize_variance:
        normal = y.reshape(groups, -1)
        average = average + normal * (gradient * normal).mean(axis=1, keepdims=True)
    np.subtract(gradient, average, out=out)
    if normalize_variance:
        out /= deviation
