"""JMMDLoss: how differently features and predictions together are distributed in two domains."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._mmd import begin, check_features, factors, kernels, pairs
from caffelike.registry import register


@register("JMMDLoss", param="jmmd_param")
class JMMDLoss(Layer):
    """loss = the mean over n random quadruples of K(s1, s2) + K(t1, t2) - K(s1, t2) - K(s2, t1).

    bottoms: source (S, ...), target (T, ...), as many features each; source_p (S, ...), target_p (T, ...): the
        predictions; ignored, one more. tops: loss, a single number; zero, whose value is 0.
    s1, s2 are two items of source, t1, t2 two of target; n = max(S, T). K(a, b) = k(a, b) l(a, b): k the sum over i
        of exp(-g_i |a - b|^2) of the features, g_i = g kernel_mul^(i - kernel_num // 2), g = 1 / the mean squared
        distance of two different items of both; l that of the predictions, with widths sigma label_kernel_mul^(j -
        label_kernel_num // 2) in place of 1 / g_i.
    kernel_num 5, kernel_mul 2; label_kernel_num 1, label_kernel_mul 2 where they are left out; sigma, required.
    label_back_propagate true where left out; false: no gradient to the predictions. fix_gamma false; true: g stays as
        in the first pass. auto_sigma: true is refused. label_kernel_mode: not read.
    Gradient: to features and predictions, for g held fixed; 0 where a domain has one item only.
    The fork shows 0, and has no CPU code; with label_kernel_num above 1 its gradient to predictions is no derivative.
    Errors: ModelError for options, ShapeError for bottoms that do not fit.
    Source: Long et al., "Deep Transfer Learning with Joint Adaptation Networks", ICML 2017 (transfer-caffe).
    """

    bottoms = ("source", "target", "source_p", "target_p", "ignored?")
    tops = ("loss", "zero?")
    loss = True
    random = True
    no_gradient = ("ignored",)
    backward_reads = ("source", "target", "source_p", "target_p", "quadruples", "scale")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the kernels."""
        if not p.sigma > 0 or p.auto_sigma:
            raise self.fail("needs sigma, greater than 0: the width of the predictions' kernel.", ModelError)
        number = p.label_kernel_num if p.HasField("label_kernel_num") else 1
        ratio = p.label_kernel_mul if p.HasField("label_kernel_mul") else 2.0
        self.options = {
            "widths": factors(self, p.kernel_num, p.kernel_mul, "kernel"),
            "narrowings": tuple(1 / f for f in factors(self, number, ratio, "label_kernel")),
            "sigma": float(p.sigma),
            "fixed": np.full(1, -1.0) if p.fix_gamma else None,
            "to_labels": p.label_back_propagate or not p.HasField("label_back_propagate"),
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Single numbers."""
        source, target, source_p, target_p = shapes[:4]
        check_features(self, source, target)
        check_features(self, source_p, target_p)
        if source_p[0] != source[0] or target_p[0] != target[0]:
            raise self.fail(
                f"needs a prediction for each item: there are {source[0]} and {target[0]} items, but {source_p[0]} and"
                f" {target_p[0]} predictions."
            )
        self.save("quadruples", (max(source[0], target[0]), 4), np.int64)
        self.save("scale", (1,))
        tops: list[Shape] = [(), ()]
        return tops[: max(1, len(self.message.top))]


def forward(
    source: np.ndarray,
    target: np.ndarray,
    source_p: np.ndarray,
    target_p: np.ndarray,
    loss: np.ndarray,
    zero: np.ndarray | None,
    quadruples: np.ndarray,
    scale: np.ndarray,
    key: np.ndarray,
    widths: tuple[float, ...],
    narrowings: tuple[float, ...],
    sigma: float,
    fixed: np.ndarray | None,
) -> None:
    """Draw the quadruples, find the features' scale, and add up products of kernels."""
    loss[...] = 0
    if zero is not None:
        zero[...] = 0
    if not begin(source, target, quadruples, scale, key, fixed):
        return
    total = 0.0
    both = (pairs(source, target, quadruples), pairs(source_p, target_p, quadruples))
    for (sign, one, other), (_, one_p, other_p) in zip(*both, strict=True):
        of_features = kernels(one[2] - other[2], float(scale[0]), widths)[0]
        of_labels = kernels(one_p[2] - other_p[2], 1 / sigma, narrowings)[0]
        total += sign * np.vdot(of_features, of_labels)
    loss[...] = total / len(quadruples)


def backward(
    dloss: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    source_p: np.ndarray,
    target_p: np.ndarray,
    dsource: np.ndarray | None,
    dtarget: np.ndarray | None,
    dsource_p: np.ndarray | None,
    dtarget_p: np.ndarray | None,
    quadruples: np.ndarray,
    scale: np.ndarray,
    widths: tuple[float, ...],
    narrowings: tuple[float, ...],
    sigma: float,
    to_labels: bool,
) -> None:
    """Each kernel's slope to its two items, times the other kernel."""
    for grad in (dsource, dtarget, dsource_p, dtarget_p):
        if grad is not None:
            grad[...] = 0
    if len(quadruples) == 0 or quadruples[0, 0] < 0:
        return
    share = float(dloss) / len(quadruples)
    both = (pairs(source, target, quadruples), pairs(source_p, target_p, quadruples))
    for (sign, one, other), (_, one_p, other_p) in zip(*both, strict=True):
        away, away_p = one[2] - other[2], one_p[2] - other_p[2]
        value, slope = kernels(away, float(scale[0]), widths)
        value_p, slope_p = kernels(away_p, 1 / sigma, narrowings)
        _add((dsource, dtarget), one, other, sign * share * (slope * value_p)[:, None] * away)
        if to_labels:
            _add((dsource_p, dtarget_p), one_p, other_p, sign * share * (slope_p * value)[:, None] * away_p)


def _add(grads: tuple[np.ndarray | None, ...], one: Any, other: Any, part: np.ndarray) -> None:
    """Add `part` to the rows of `one`, and take it off those of `other`."""
    for (domain, items, _), values in ((one, part), (other, -part)):
        grad = grads[domain]
        if grad is not None:
            np.add.at(grad.reshape(len(grad), -1), items, values)
