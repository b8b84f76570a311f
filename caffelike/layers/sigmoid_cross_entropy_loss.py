"""SigmoidCrossEntropyLoss: sigmoid and the cross entropy of each value by itself."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_weights, class_weights, divisor, loss_options, spread
from caffelike.registry import register


@register("SigmoidCrossEntropyLoss", param="loss_param")
class SigmoidCrossEntropyLoss(Layer):
    """loss = -sum(w (t log p + (1 - t) log(1 - p))) / divisor with p = sigmoid(x), computed without overflow.

    bottoms: x (N, ...); target t, as many values, 0 .. 1; weight, optional: one factor for each item or for each value.
    tops: loss, a single number.
    loss_param: ignore_label (none): values whose target, cut to a whole number, is that do not count. normalization
        BATCH_SIZE: the divisor, at least 1: FULL all values, VALID those that count, BATCH_SIZE N, NONE 1,
        PRE_FIXED (a fork's) pre_fixed_normalizer, 1. normalize, the old word, where normalization is absent: true
        VALID, false BATCH_SIZE.
    w is 1, or the weight, times class_weight (none, or two: of the targets 0 and 1, those between in proportion); VALID
        then adds up the w of the values that count.
    Gradient: w (p - t) / divisor to x, 0 where ignored. None to target and weight.
    Errors: ShapeError when the bottoms do not hold equally many values.
    Source: BVLC Caffe's SigmoidCrossEntropyLoss layer; weights: our own.
    """

    bottoms = ("x", "target", "weight?")
    tops = ("loss",)
    loss = True
    defaults = {"normalization": "BATCH_SIZE"}
    no_gradient = ("target", "weight")
    backward_reads = ("x", "target", "weight")
    honours = ("class_weight", "normalization", "pre_fixed_normalizer")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read normalization and class weights."""
        self.options = loss_options(self, self.defaults["normalization"])
        self.options["class_weight"] = class_weights(self)["class_weight"]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        batch_size(self, *shapes)
        x, target = (int(np.prod(shape, dtype=np.int64)) for shape in shapes[:2])
        if x != target:
            names = self.message.bottom
            raise self.fail(
                f"needs one target for each value, but '{names[0]}' {shapes[0]} has {x} values and '{names[1]}'"
                f" {shapes[1]} has {target}."
            )
        check_weights(self, 2, shapes[0], shapes[2] if len(shapes) > 2 else None)
        return [()]


def forward(
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """x (t - [x >= 0]) - log(1 + exp(-|x|)), weighted and summed."""
    target = target.reshape(x.shape)
    counts = _counts(target, ignore_label)
    factors = _factors(target, counts, weight, class_weight)
    terms = (x * (target - (x >= 0)) - np.log1p(np.exp(-np.abs(x)))) * factors
    loss[...] = -terms[counts].sum(dtype=np.float64) / _divisor(x, normalization, factors)


def backward(
    dloss: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    dx: np.ndarray,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """dx = dloss w (sigmoid(x) - t) / divisor."""
    target = target.reshape(x.shape)
    counts = _counts(target, ignore_label)
    factors = _factors(target, counts, weight, class_weight)
    probability = 0.5 * np.tanh(0.5 * x) + 0.5
    scale = float(dloss) / _divisor(x, normalization, factors)
    np.multiply(np.where(counts, (probability - target) * factors, 0), scale, out=dx)


def _counts(target: np.ndarray, ignore_label: int | None) -> np.ndarray:
    return np.ones(target.shape, bool) if ignore_label is None else np.trunc(target) != ignore_label


def _factors(
    target: np.ndarray, counts: np.ndarray, weight: np.ndarray | None, class_weight: tuple[float, ...]
) -> np.ndarray:
    """What each value's loss is multiplied by; 0 where it does not count."""
    factors = counts.astype(target.dtype)
    if class_weight:
        zero, one = (target.dtype.type(value) for value in class_weight)
        factors *= np.where(counts, zero + (one - zero) * target, 0)
    return factors if weight is None else factors * spread(weight, target.size).reshape(target.shape)


def _divisor(x: np.ndarray, normalization: str | float, factors: np.ndarray) -> float:
    return divisor(normalization, x.shape[0], x.size // max(1, x.shape[0]), float(factors.sum(dtype=np.float64)))
