"""MultinomialLogisticLoss: the cross entropy of probabilities."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import (
    LOG_THRESHOLD,
    batch_size,
    check_one_label_each,
    check_weights,
    class_weights,
    factors,
    read_labels,
)
from caffelike.registry import register


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Layer):
    """loss = -sum(w log p[label]) / N, p taken as at least 1e-20. SoftmaxWithLoss is steadier where p is a softmax.

    bottoms: p (N, ...), all values of an item are its probabilities; label, N whole numbers; weight, optional:
        one factor for each item. tops: loss, a single number.
    loss_param: class_weight (none, or one for each class); w is the label's times the item's, else 1.
    Gradient: -w / (N p) at the label, 0 elsewhere. None to label and weight.
    Errors: LabelError for a label that is no class, ShapeError for another number of labels or weights than items.
    Source: BVLC Caffe's MultinomialLogisticLoss layer; weights: our own.
    """

    bottoms = ("p", "label", "weight?")
    tops = ("loss",)
    messages = ("loss_param",)
    loss = True
    no_gradient = ("label", "weight")
    backward_reads = ("p", "label", "weight")
    honours = ("class_weight",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the class weights."""
        self.options = {"class_weight": class_weights(self)["class_weight"]}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        batch_size(self, *shapes)
        check_one_label_each(self, shapes[0], shapes[1])
        classes = int(np.prod(shapes[0][1:], dtype=np.int64))
        check_weights(self, classes, shapes[0][:1], shapes[2] if len(shapes) > 2 else None)
        return [()]


def forward(
    p: np.ndarray, label: np.ndarray, weight: np.ndarray | None, loss: np.ndarray, class_weight: tuple[float, ...]
) -> None:
    """The mean of the logarithms at the labels."""
    places, weights = _places(p, label, weight, class_weight)
    at_label = p.reshape(-1)[places]
    loss[...] = -(np.log(np.maximum(at_label, LOG_THRESHOLD)) * weights).sum() / max(1, p.shape[0])


def backward(
    dloss: np.ndarray,
    p: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray | None,
    dp: np.ndarray,
    class_weight: tuple[float, ...],
) -> None:
    """dp = -dloss w / (N p) at the labels."""
    places, weights = _places(p, label, weight, class_weight)
    scale = -float(dloss) / max(1, p.shape[0])
    dp[...] = 0
    dp.reshape(-1)[places] = scale * weights / np.maximum(p.reshape(-1)[places], LOG_THRESHOLD)


def _places(
    p: np.ndarray, label: np.ndarray, weight: np.ndarray | None, class_weight: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Where each item's label is in the flat array, and the item's weight."""
    items = p.shape[0]
    classes = p.size // max(1, items)
    labels, counts = read_labels(label, classes, None, items)
    return np.arange(items) * classes + labels, factors(labels, counts, weight, class_weight).astype(p.dtype)
