"""InnerProduct: the fully connected layer."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("InnerProduct", param="inner_product_param")
class InnerProduct(Layer):
    """y = x weight^T + bias, with all axes of x from `axis` on taken as one vector of length K.

    bottoms: x (*batch, *features). tops: y (*batch, num_output).
    params: weight (num_output, K), or (K, num_output) with transpose; bias (num_output,) unless bias_term is false.
    num_output: required. axis 1: the first feature axis. transpose false.
    weight_filler, bias_filler: constant 0.
    Gradient: to x, weight and bias. Errors: ShapeError when K changes after setup.
    Source: BVLC Caffe's InnerProduct layer.
    """

    params = ("weight", "bias?")
    backward_reads = ("x", "weight")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare weight and bias."""
        axis = canonical_axis(self, p.axis, len(shapes[0]))
        self._outputs = int(p.num_output)
        if self._outputs < 1:
            raise self.fail("num_output must be at least 1.", ModelError)
        self._inputs = int(np.prod(shapes[0][axis:], dtype=np.int64))
        self.options = {"axis": axis, "transpose": bool(p.transpose)}
        shape = (self._inputs, self._outputs) if p.transpose else (self._outputs, self._inputs)
        self.add_param("weight", shape, p.weight_filler)
        if p.bias_term:
            self.add_param("bias", (self._outputs,), p.bias_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(*batch, num_output)."""
        (shape,) = shapes
        axis = self.options["axis"]
        if len(shape) < axis or int(np.prod(shape[axis:], dtype=np.int64)) != self._inputs:
            raise self.fail(
                f"the weights are for {self._inputs} inputs, but the bottom is {shape}, which from axis {axis} on has"
                f" {int(np.prod(shape[axis:], dtype=np.int64))}."
            )
        return [(*shape[:axis], self._outputs)]

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Every weight is used once for each vector of the batch."""
        return sum(prod(shape) for shape in top) // self._outputs * self.blobs[0].count

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """All its inputs."""
        return Sees.ALL


def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray, axis: int, transpose: bool
) -> None:
    """One matrix product."""
    inputs = weight.shape[0 if transpose else 1]
    out = y.reshape(-1, y.shape[-1])
    np.matmul(x.reshape(-1, inputs), weight if transpose else weight.T, out=out)
    if bias is not None:
        out += bias


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    axis: int,
    transpose: bool,
    beta: float,
) -> None:
    """dx = dy weight, dweight = dy^T x, dbias = the sum of dy over the batch."""
    inputs = weight.shape[0 if transpose else 1]
    rows, grads = x.reshape(-1, inputs), dy.reshape(-1, dy.shape[-1])
    if dbias is not None:
        total = grads.sum(axis=0)
        dbias[...] = dbias + total if beta else total
    if dweight is not None:
        total = rows.T @ grads if transpose else grads.T @ rows
        dweight[...] = dweight + total if beta else total
    if dx is not None:
        np.matmul(grads, weight.T if transpose else weight, out=dx.reshape(-1, inputs))
