"""InnerDistance: how far each input lies from each of a number of learned points."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("InnerDistance", param="inner_distance_param")
class InnerDistance(Layer):
    """y[n, j] = sum over k of (x[n, k] - weight[j, k])^2 (L2), or of |x[n, k] - weight[j, k]| (L1).

    bottoms: x (*batch, *features), from `axis` on one vector of length K. tops: y (*batch, num_output).
    params: weight (num_output, K); bias (num_output,) unless bias_term is false, added to y.
    num_output: required. axis 1. distance_type "L2". weight_filler, bias_filler: constant 0.
    normalize (false), update_center_only (false), transpose (false): refused when true.
    Gradient: to x, weight and bias; L1: the sign, 0 at 0.
    Errors: ModelError for options, ShapeError when K changes after setup.
    Source: happynear's caffe-windows.
    """

    params = ("weight", "bias?")
    backward_reads = ("x", "weight")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare weight and bias."""
        for name in ("normalize", "update_center_only", "transpose"):
            if getattr(p, name):
                raise self.fail(f"{name}: true is not supported.", ModelError)
        if p.distance_type not in ("L1", "L2"):
            raise self.fail(f"distance_type is {p.distance_type!r}; use L1 or L2.", ModelError)
        axis = canonical_axis(self, p.axis, len(shapes[0]))
        self._outputs, self._inputs = int(p.num_output), int(np.prod(shapes[0][axis:], dtype=np.int64))
        if self._outputs < 1:
            raise self.fail("num_output must be at least 1.", ModelError)
        self.options = {"axis": axis, "squared": p.distance_type == "L2"}
        self.add_param("weight", (self._outputs, self._inputs), p.weight_filler)
        if p.bias_term:
            self.add_param("bias", (self._outputs,), p.bias_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(*batch, num_output)."""
        axis = self.options["axis"]
        if int(np.prod(shapes[0][axis:], dtype=np.int64)) != self._inputs:
            raise self.fail(f"the weights are for {self._inputs} inputs, but the bottom is {shapes[0]}.")
        return [(*shapes[0][:axis], self._outputs)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """All its inputs."""
        return Sees.ALL


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray, squared: bool) -> None:
    """One point after the other, so that no large array is needed."""
    rows, out = x.reshape(-1, weight.shape[1]), y.reshape(-1, weight.shape[0])
    for j, point in enumerate(weight):
        away = rows - point
        out[:, j] = (away * away if squared else np.abs(away)).sum(axis=1)
    if bias is not None:
        out += bias


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    squared: bool,
    beta: float,
) -> None:
    """The slope of each distance times its gradient: to x, and against it to the point."""
    rows, grads = x.reshape(-1, weight.shape[1]), dy.reshape(-1, weight.shape[0])
    if dbias is not None:
        dbias[...] = grads.sum(axis=0) + (dbias if beta else 0)
    total = np.zeros_like(rows)
    for j, point in enumerate(weight):
        slope = rows - point
        slope = (2 * slope if squared else np.sign(slope)) * grads[:, j, None]
        total += slope
        if dweight is not None:
            dweight[j] = (dweight[j] if beta else 0) - slope.sum(axis=0)
    if dx is not None:
        dx[...] = total.reshape(dx.shape)
