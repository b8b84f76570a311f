"""HingeLoss: the one-versus-all margin loss."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import (
    batch_size,
    check_one_label_each,
    check_weights,
    class_weights,
    factors,
    read_labels,
)
from caffelike.registry import register


@register("HingeLoss", param="hinge_loss_param")
class HingeLoss(Layer):
    """loss = sum(w max(0, 1 - t x)^p) / N with t = 1 at the label and -1 elsewhere; p = 1 (L1) or 2 (L2).

    bottoms: x (N, ...), all values of an item are its scores; label, N whole numbers; weight, optional: one
        factor for each item. tops: loss, a single number.
    norm L1. loss_param: class_weight (none, or one for each class); w is the label's times the item's, else 1. A NaN
        score counts as no loss, as in Caffe.
    Gradient: to x; 0 where the margin is exactly met. None to label and weight.
    Errors: LabelError for a label that is no class, ShapeError for another number of labels or weights than items.
    Source: BVLC Caffe's HingeLoss layer; weights: our own.
    """

    bottoms = ("x", "label", "weight?")
    tops = ("loss",)
    messages = ("loss_param",)
    loss = True
    no_gradient = ("label", "weight")
    backward_reads = ("x", "label", "weight")
    honours = ("class_weight",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read norm and class weights."""
        self.options = {"norm": type(p).Norm.Name(p.norm), "class_weight": class_weights(self)["class_weight"]}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        batch_size(self, *shapes)
        check_one_label_each(self, shapes[0], shapes[1])
        scores = int(np.prod(shapes[0][1:], dtype=np.int64))
        check_weights(self, scores, shapes[0][:1], shapes[2] if len(shapes) > 2 else None)
        return [()]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    norm: str,
    class_weight: tuple[float, ...],
) -> None:
    """Sum the margins that are not met."""
    targets, weights = _targets(x, label, weight, class_weight)
    missing = _missing(x, targets)
    loss[...] = ((missing if norm == "L1" else missing * missing) * weights).sum() / max(1, x.shape[0])


def backward(
    dloss: np.ndarray,
    x: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray | None,
    dx: np.ndarray,
    norm: str,
    class_weight: tuple[float, ...],
) -> None:
    """-t where a margin is not met, times twice the gap for L2."""
    targets, weights = _targets(x, label, weight, class_weight)
    missing = _missing(x, targets)
    slope = -targets * (np.sign(missing) if norm == "L1" else 2 * missing) * weights
    np.multiply(slope.reshape(dx.shape), float(dloss) / max(1, x.shape[0]), out=dx)


def _targets(
    x: np.ndarray, label: np.ndarray, weight: np.ndarray | None, class_weight: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """(N, scores): 1 at the label, -1 elsewhere; and each item's weight, (N, 1)."""
    items = x.shape[0]
    targets = np.full((items, x.size // max(1, items)), -1, x.dtype)
    labels, counts = read_labels(label, targets.shape[1], None, items)
    targets[np.arange(items), labels] = 1
    return targets, factors(labels, counts, weight, class_weight).astype(x.dtype)[:, None]


def _missing(x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.fmax(1 - targets * x.reshape(targets.shape), 0)
