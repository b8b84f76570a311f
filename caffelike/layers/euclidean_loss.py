"""EuclideanLoss: half the mean squared distance."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size
from caffelike.registry import register


@register("EuclideanLoss")
class EuclideanLoss(Layer):
    """loss = sum((x - target)^2) / (2 N), N the length of axis 0.

    bottoms: x (N, ...); target, with as many values an item. tops: loss, a single number.
    Gradient: (x - target) / N to x, its opposite to target.
    Errors: ShapeError when the bottoms do not hold the same number of items and of values an item.
    Source: BVLC Caffe's EuclideanLoss layer.
    """

    bottoms = ("x", "target")
    tops = ("loss",)
    loss = True
    backward_reads = ("difference",)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number; `difference` is x - target."""
        batch_size(self, *shapes)
        x, target = (int(np.prod(shape[1:], dtype=np.int64)) for shape in shapes)
        if x != target:
            names = self.message.bottom
            raise self.fail(
                f"Inputs must have the same dimension, but '{names[0]}' {shapes[0]} has {x} values an item and"
                f" '{names[1]}' {shapes[1]} has {target}."
            )
        self.keep("difference", shapes[0])
        return [()]


def forward(x: np.ndarray, target: np.ndarray, loss: np.ndarray, difference: np.ndarray | None) -> None:
    """The squared distance of the two."""
    gap = np.subtract(x, target.reshape(x.shape), out=difference).reshape(-1)
    loss[...] = np.dot(gap, gap) / (2 * max(1, x.shape[0]))


def backward(dloss: np.ndarray, difference: np.ndarray, dx: np.ndarray | None, dtarget: np.ndarray | None) -> None:
    """The difference, scaled."""
    weight = float(dloss) / max(1, difference.shape[0])
    if dx is not None:
        np.multiply(difference, weight, out=dx)
    if dtarget is not None:
        np.multiply(difference.reshape(dtarget.shape), -weight, out=dtarget)
