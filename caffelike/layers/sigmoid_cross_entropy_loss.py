"""SigmoidCrossEntropyLoss: sigmoid and the cross entropy of each value by itself."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, divisor, loss_options
from caffelike.registry import register


@register("SigmoidCrossEntropyLoss", param="loss_param")
class SigmoidCrossEntropyLoss(Layer):
    """loss = -sum(t log p + (1 - t) log(1 - p)) / divisor with p = sigmoid(x), computed without overflow.

    bottoms: x (N, ...); target t, as many values, 0 .. 1. tops: loss, a single number.
    loss_param: ignore_label (none): values whose target, cut to a whole number, is that do not count. normalization
        BATCH_SIZE: the divisor, at least 1: FULL all values, VALID those that count, BATCH_SIZE N, NONE 1. normalize,
        the old word, where normalization is absent: true VALID, false BATCH_SIZE.
    Gradient: (p - t) / divisor to x, 0 where ignored. None to target.
    Errors: ShapeError when the bottoms do not hold equally many values.
    Source: BVLC Caffe's SigmoidCrossEntropyLoss layer.
    """

    bottoms = ("x", "target")
    tops = ("loss",)
    loss = True
    defaults = {"normalization": "BATCH_SIZE"}
    no_gradient = ("target",)
    backward_reads = ("x", "target")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the normalization."""
        self.options = loss_options(self, self.defaults["normalization"])

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        batch_size(self, *shapes)
        x, target = (int(np.prod(shape, dtype=np.int64)) for shape in shapes)
        if x != target:
            names = self.message.bottom
            raise self.fail(
                f"needs one target for each value, but '{names[0]}' {shapes[0]} has {x} values and '{names[1]}'"
                f" {shapes[1]} has {target}."
            )
        return [()]


def forward(x: np.ndarray, target: np.ndarray, loss: np.ndarray, normalization: str, ignore_label: int | None) -> None:
    """x (t - [x >= 0]) - log(1 + exp(-|x|)), summed."""
    target = target.reshape(x.shape)
    counts = _counts(target, ignore_label)
    terms = x * (target - (x >= 0)) - np.log1p(np.exp(-np.abs(x)))
    loss[...] = -terms[counts].sum(dtype=np.float64) / _divisor(x, normalization, counts)


def backward(
    dloss: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    dx: np.ndarray,
    normalization: str,
    ignore_label: int | None,
) -> None:
    """dx = dloss (sigmoid(x) - t) / divisor."""
    target = target.reshape(x.shape)
    counts = _counts(target, ignore_label)
    probability = 0.5 * np.tanh(0.5 * x) + 0.5
    weight = float(dloss) / _divisor(x, normalization, counts)
    np.multiply(np.where(counts, probability - target, 0), weight, out=dx)


def _counts(target: np.ndarray, ignore_label: int | None) -> np.ndarray:
    return np.ones(target.shape, bool) if ignore_label is None else np.trunc(target) != ignore_label


def _divisor(x: np.ndarray, normalization: str, counts: np.ndarray) -> float:
    return divisor(normalization, x.shape[0], x.size // max(1, x.shape[0]), int(np.count_nonzero(counts)))
