"""MMDLoss: how differently the features of two domains are distributed."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._mmd import begin, check_features, factors, kernels, pairs
from caffelike.registry import register


@register("MMDLoss", param="mmd_param")
class MMDLoss(Layer):
    """loss = the mean over n random quadruples of k(s1, s2) + k(t1, t2) - k(s1, t2) - k(s2, t1).

    bottoms: source (S, ...), target (T, ...), as many features each. tops: loss, a single number.
    s1, s2 are two items of source, t1, t2 two of target; n = max(S, T). k(a, b) = sum over i of exp(-g_i |a - b|^2),
        g_i = g kernel_mul^(i - kernel_num // 2) for i = 0 .. kernel_num - 1; g = 1 / the mean squared distance of two
        different items of both. kernel_num 5, kernel_mul 2. fix_gamma false; true: g stays as in the first pass.
    The fork shows n times this number, draws other quadruples for the gradient than for the loss, and has no CPU code.
    Gradient: to both, for g held fixed; 0 where a domain has one item only.
    Errors: ModelError for options, ShapeError for bottoms of different features.
    Source: Long et al., "Learning Transferable Features with Deep Adaptation Networks", ICML 2015 (transfer-caffe);
        Gretton et al., JMLR 2012.
    """

    bottoms = ("source", "target")
    tops = ("loss",)
    loss = True
    random = True
    backward_reads = ("source", "target", "quadruples", "scale")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the kernels."""
        widths = factors(self, p.kernel_num, p.kernel_mul, "kernel")
        self.options = {"widths": widths, "fixed": np.full(1, -1.0) if p.fix_gamma else None}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        source, target = shapes
        check_features(self, source, target)
        self.save("quadruples", (max(source[0], target[0]), 4), np.int64)
        self.save("scale", (1,))
        return [()]


def forward(
    source: np.ndarray,
    target: np.ndarray,
    loss: np.ndarray,
    quadruples: np.ndarray,
    scale: np.ndarray,
    key: np.ndarray,
    widths: tuple[float, ...],
    fixed: np.ndarray | None,
) -> None:
    """Draw the quadruples, find the kernels' scale, and add up."""
    count = len(quadruples)
    loss[...] = 0
    if not begin(source, target, quadruples, scale, key, fixed):
        return
    total = 0.0
    for sign, one, other in pairs(source, target, quadruples):
        total += sign * kernels(one[2] - other[2], float(scale[0]), widths)[0].sum(dtype=np.float64)
    loss[...] = total / count


def backward(
    dloss: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    dsource: np.ndarray | None,
    dtarget: np.ndarray | None,
    quadruples: np.ndarray,
    scale: np.ndarray,
    widths: tuple[float, ...],
) -> None:
    """Each kernel's slope to its two items."""
    for grad in (dsource, dtarget):
        if grad is not None:
            grad[...] = 0
    if len(quadruples) == 0 or quadruples[0, 0] < 0:
        return
    for sign, one, other in pairs(source, target, quadruples):
        away = one[2] - other[2]
        slope = (sign * float(dloss) / len(quadruples)) * kernels(away, float(scale[0]), widths)[1][:, None] * away
        for (domain, items, _), part in ((one, slope), (other, -slope)):
            grad = (dsource, dtarget)[domain]
            if grad is not None:
                np.add.at(grad.reshape(len(grad), -1), items, part)
