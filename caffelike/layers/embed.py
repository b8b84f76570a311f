"""Embed: a learned vector for every index."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError, ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Embed", param="embed_param")
class Embed(Layer):
    """y[...] = weight[index] + bias: InnerProduct of a one-hot vector, without making that.

    bottoms: x, indices of any shape, cut to integers. tops: y (*x.shape, num_output).
    params: weight (input_dim, num_output); bias (num_output,) unless bias_term is false.
    num_output, input_dim: required. weight_filler, bias_filler: constant 0.
    Gradient: to weight and bias, none to x. Errors: LabelError for an index outside 0 .. input_dim - 1.
    Source: BVLC Caffe's Embed layer.
    """

    params = ("weight", "bias?")
    no_gradient = ("x",)
    backward_reads = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare weight and bias."""
        self._outputs = int(p.num_output)
        if self._outputs < 1 or p.input_dim < 1:
            raise self.fail("num_output and input_dim must be at least 1.", ModelError)
        self.add_param("weight", (int(p.input_dim), self._outputs), p.weight_filler)
        if p.bias_term:
            self.add_param("bias", (self._outputs,), p.bias_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's with num_output at the end."""
        return [(*shapes[0], self._outputs)]


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray) -> None:
    """Look the vectors up."""
    whole = np.trunc(x)
    bad = ~((whole >= 0) & (whole < weight.shape[0]))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise LabelError(
            f"index {x[place]:g} at {place} of the bottom is outside 0 to {weight.shape[0] - 1} (input_dim"
            f" {weight.shape[0]}).",
            item=place[0] if place else 0,
            label=float(x[place]),
            classes=weight.shape[0],
        )
    y[...] = weight[whole.astype(np.intp)]
    if bias is not None:
        y += bias


def forward_made_up(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray) -> None:
    """Forward where x holds what is no index: zeros there, as memory before the weights mostly is in Caffe."""
    whole = np.nan_to_num(np.trunc(x)).astype(np.int64)
    inside = (whole >= 0) & (whole < weight.shape[0])
    y[...] = np.where(inside[..., None], weight[np.where(inside, whole, 0)], 0)
    if bias is not None:
        y += bias


def backward(dy: np.ndarray, x: np.ndarray, dweight: np.ndarray | None, dbias: np.ndarray | None, beta: float) -> None:
    """Add each gradient to its index's row."""
    rows = dy.reshape(-1, dy.shape[-1])
    if dweight is not None:
        if not beta:
            dweight[...] = 0
        np.add.at(dweight, x.reshape(-1).astype(np.intp), rows)
    if dbias is not None:
        total = rows.sum(axis=0)
        dbias[...] = dbias + total if beta else total
