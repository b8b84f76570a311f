"""EuclideanLoss: half the mean squared distance."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_weights, spread
from caffelike.registry import register


@register("EuclideanLoss")
class EuclideanLoss(Layer):
    """loss = sum(w (x - target)^2) / (2 N), N the length of axis 0.

    bottoms: x (N, ...); target, with as many values an item; weight w, optional: one factor for each item or for each
        value, else 1. tops: loss, a single number.
    Gradient: w (x - target) / N to x, its opposite to target; none to weight.
    Errors: ShapeError when the bottoms do not hold the same number of items and of values an item.
    Source: BVLC Caffe's EuclideanLoss layer; weight: our own.
    """

    bottoms = ("x", "target", "weight?")
    tops = ("loss",)
    loss = True
    no_gradient = ("weight",)
    backward_reads = ("weight", "difference")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number; `difference` is x - target."""
        batch_size(self, *shapes)
        x, target = (int(np.prod(shape[1:], dtype=np.int64)) for shape in shapes[:2])
        if x != target:
            names = self.message.bottom
            raise self.fail(
                f"Inputs must have the same dimension, but '{names[0]}' {shapes[0]} has {x} values an item and"
                f" '{names[1]}' {shapes[1]} has {target}."
            )
        check_weights(self, 0, shapes[0], shapes[2] if len(shapes) > 2 else None)
        self.keep("difference", shapes[0])
        return [()]


def forward(
    x: np.ndarray, target: np.ndarray, weight: np.ndarray | None, loss: np.ndarray, difference: np.ndarray | None
) -> None:
    """The squared distance of the two."""
    gap = np.subtract(x, target.reshape(x.shape), out=difference).reshape(-1)
    other = gap if weight is None else gap * spread(weight, gap.size)
    loss[...] = np.dot(other, gap) / (2 * max(1, x.shape[0]))


def backward(
    dloss: np.ndarray,
    weight: np.ndarray | None,
    difference: np.ndarray,
    dx: np.ndarray | None,
    dtarget: np.ndarray | None,
) -> None:
    """The difference, scaled."""
    scale = float(dloss) / max(1, difference.shape[0])
    if weight is not None:
        difference = difference * spread(weight, difference.size).reshape(difference.shape)
    if dx is not None:
        np.multiply(difference, scale, out=dx)
    if dtarget is not None:
        np.multiply(difference.reshape(dtarget.shape), -scale, out=dtarget)
