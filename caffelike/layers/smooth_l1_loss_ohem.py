"""SmoothL1LossOHEM: box regression's loss with each region's own share, for picking the hard ones."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import divisor, loss_options
from caffelike.layers._smooth_l1 import check_same, smooth_l1, smooth_l1_slope
from caffelike.registry import register


@register("SmoothL1LossOHEM")
class SmoothL1LossOHEM(Layer):
    """loss = sum(f(weight (x - target))) / divisor; f(d) = d^2 / 2 for |d| < 1, else |d| - 1 / 2.

    bottoms: x (N, C, ...); target and weight (1 where it is left out), of the same shape but for axes of 1 at the end.
        tops: loss, a single number; each, if a second top is given: the sum over C of f (N, 1, H, W), not divided.
    loss_param: normalization VALID: the divisor, at least 1: VALID and FULL the places N x H x W, BATCH_SIZE N, NONE 1,
        PRE_FIXED pre_fixed_normalizer, 1. normalize, the old word, where normalization is absent: true VALID, false
        BATCH_SIZE.
    Gradient: weight f'(weight (x - target)) / divisor to x, its opposite to target; none to weight, nor from each. The
        fork leaves the first factor out, which is the same for weights of 0 and 1.
    Errors: ShapeError for bottoms of different shapes.
    Source: Dai et al., "R-FCN", NIPS 2016, and its fork of Caffe; OHEM: Shrivastava et al., CVPR 2016.
    """

    bottoms = ("x", "target", "weight?")
    tops = ("loss", "each?")
    messages = ("loss_param",)
    loss = True
    no_gradient = ("weight",)
    backward_reads = ("weight", "difference")
    honours = ("normalization", "pre_fixed_normalizer")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the normalization."""
        self.options = {"normalization": loss_options(self, "VALID")["normalization"]}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, and (N, 1, H, W)."""
        check_same(self, *shapes)
        x = shapes[0]
        self.keep("difference", x)
        return [(), (x[0], 1, *(*x[2:], 1, 1)[: max(2, len(x) - 2)])][: max(1, len(self.message.top))]


def forward(
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    each: np.ndarray | None,
    difference: np.ndarray | None,
    normalization: str | float,
) -> None:
    """The sum of f, and that of each place."""
    gap = np.subtract(x, target.reshape(x.shape), out=difference)
    if weight is not None:
        gap *= weight.reshape(x.shape)
    values = smooth_l1(gap, 1.0)
    loss[...] = values.sum(dtype=np.float64) / _divisor(x.shape, normalization)
    if each is not None:
        each[...] = values.sum(axis=1).reshape(each.shape)


def backward(
    dloss: np.ndarray,
    weight: np.ndarray | None,
    difference: np.ndarray,
    dx: np.ndarray | None,
    dtarget: np.ndarray | None,
    normalization: str | float,
) -> None:
    """f', weighted."""
    slope = smooth_l1_slope(difference, 1.0) * (float(dloss) / _divisor(difference.shape, normalization))
    if weight is not None:
        slope *= weight.reshape(slope.shape)
    if dx is not None:
        dx[...] = slope
    if dtarget is not None:
        np.negative(slope.reshape(dtarget.shape), out=dtarget)


def _divisor(shape: Shape, normalization: str | float) -> float:
    """What the sum over `shape` is divided by."""
    inner = int(np.prod(shape[2:], dtype=np.int64))
    return divisor(normalization, shape[0], inner, shape[0] * inner)
