"""HingeLoss: the one-versus-all margin loss."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_one_label_each, read_labels
from caffelike.registry import register


@register("HingeLoss", param="hinge_loss_param")
class HingeLoss(Layer):
    """loss = sum(max(0, 1 - t x)^p) / N with t = 1 at the label and -1 elsewhere; p = 1 (L1) or 2 (L2).

    bottoms: x (N, ...), all values of an item are its scores; label, N whole numbers. tops: loss, a single number.
    norm L1. A NaN score counts as no loss, as in Caffe.
    Gradient: to x; 0 where the margin is exactly met. None to label.
    Errors: LabelError for a label that is no class, ShapeError for another number of labels than items.
    Source: BVLC Caffe's HingeLoss layer.
    """

    bottoms = ("x", "label")
    tops = ("loss",)
    loss = True
    no_gradient = ("label",)
    backward_reads = ("x", "label")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the norm."""
        self.options = {"norm": type(p).Norm.Name(p.norm)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        batch_size(self, *shapes)
        check_one_label_each(self, shapes[0], shapes[1])
        return [()]


def forward(x: np.ndarray, label: np.ndarray, loss: np.ndarray, norm: str) -> None:
    """Sum the margins that are not met."""
    missing = _missing(x, _targets(x, label))
    loss[...] = (missing if norm == "L1" else missing * missing).sum() / max(1, x.shape[0])


def backward(dloss: np.ndarray, x: np.ndarray, label: np.ndarray, dx: np.ndarray, norm: str) -> None:
    """-t where a margin is not met, times twice the gap for L2."""
    targets = _targets(x, label)
    missing = _missing(x, targets)
    slope = -targets * (np.sign(missing) if norm == "L1" else 2 * missing)
    np.multiply(slope.reshape(dx.shape), float(dloss) / max(1, x.shape[0]), out=dx)


def _targets(x: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N, scores): 1 at the label, -1 elsewhere."""
    items = x.shape[0]
    targets = np.full((items, x.size // max(1, items)), -1, x.dtype)
    labels, _ = read_labels(label, targets.shape[1], None, items)
    targets[np.arange(items), labels] = 1
    return targets


def _missing(x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.fmax(1 - targets * x.reshape(targets.shape), 0)
