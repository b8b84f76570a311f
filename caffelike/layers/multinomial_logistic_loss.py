"""MultinomialLogisticLoss: the cross entropy of probabilities."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import LOG_THRESHOLD, batch_size, check_one_label_each, read_labels
from caffelike.registry import register


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Layer):
    """loss = -sum(log p[label]) / N, p taken as at least 1e-20. SoftmaxWithLoss is steadier where p is a softmax.

    bottoms: p (N, ...), all values of an item are its probabilities; label, N whole numbers.
    tops: loss, a single number.
    Gradient: -1 / (N p) at the label, 0 elsewhere. None to label.
    Errors: LabelError for a label that is no class, ShapeError for another number of labels than items.
    Source: BVLC Caffe's MultinomialLogisticLoss layer.
    """

    bottoms = ("p", "label")
    tops = ("loss",)
    loss = True
    no_gradient = ("label",)
    backward_reads = ("p", "label")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        batch_size(self, *shapes)
        check_one_label_each(self, shapes[0], shapes[1])
        return [()]


def forward(p: np.ndarray, label: np.ndarray, loss: np.ndarray) -> None:
    """The mean of the logarithms at the labels."""
    at_label = p.reshape(-1)[_places(p, label)]
    loss[...] = -np.log(np.maximum(at_label, LOG_THRESHOLD)).sum() / max(1, p.shape[0])


def backward(dloss: np.ndarray, p: np.ndarray, label: np.ndarray, dp: np.ndarray) -> None:
    """dp = -dloss / (N p) at the labels."""
    places = _places(p, label)
    dp[...] = 0
    dp.reshape(-1)[places] = -float(dloss) / max(1, p.shape[0]) / np.maximum(p.reshape(-1)[places], LOG_THRESHOLD)


def _places(p: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Where each item's label is in the flat array."""
    items = p.shape[0]
    classes = p.size // max(1, items)
    return np.arange(items) * classes + read_labels(label, classes, None, items)[0]
