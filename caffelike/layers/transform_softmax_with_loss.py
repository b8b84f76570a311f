"""TransformSoftmaxWithLoss: softmax and cross entropy for classes that a table makes of finer ones."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._label_table import check_classes, new_labels, read_table
from caffelike.layers._loss import FLT_MIN, check_one_label_each, softmax, softmax_gradient
from caffelike.registry import register


@register("TransformSoftmaxWithLoss", param="label_transform_param")
class TransformSoftmaxWithLoss(Layer):
    """loss = -sum(log p[table[label]]) / N, p = softmax(x) taken as at least FLT_MIN.

    bottoms: x (N, K, 1, ...), scores; label (N,), whole numbers. tops: loss, a single number; prob, the softmax.
    label_transform_file: a text file with the new label of each old one, 0 .. K - 1, or less than 0: such items have no
        loss and no gradient, but count in N.
    Gradient to x: (p - 1 at the new label) / N, plus the softmax's own from prob. None to label.
    Errors: LabelError for a label without an entry; ModelError for a table of other classes; FileError, DataError.
    Source: yjxiong's fork of Caffe; Yan et al., "HD-CNN", ICCV 2015, trains coarse and fine classifiers in this way.
    """

    bottoms = ("x", "label")
    tops = ("loss", "prob?")
    loss = True
    no_gradient = ("label",)
    backward_reads = ("label", "probability")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the table."""
        self.options = {"table": read_table(self, p)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, and the shape of x."""
        x, label = shapes
        if len(x) < 2 or int(np.prod(x[2:], dtype=np.int64)) != 1:
            raise self.fail(f"takes scores (N, K) of whole items, but the bottom is {x}.")
        check_one_label_each(self, x, label)
        check_classes(self, self.options["table"], x[1])
        self.keep("probability", x)
        return [(), x][: max(1, len(self.message.top))]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    prob: np.ndarray | None,
    probability: np.ndarray | None,
    table: np.ndarray,
) -> None:
    """Softmax, then the mean of the logarithms at the new labels."""
    if probability is None:
        probability = np.empty_like(x) if prob is None else prob
    labels = new_labels(label, table)
    softmax(x, 1, probability)
    if prob is not None and prob is not probability:
        np.copyto(prob, probability)
    items = np.flatnonzero(labels >= 0)
    found = np.maximum(probability.reshape(x.shape[:2])[items, labels[items]], probability.dtype.type(FLT_MIN))
    loss[...] = -np.log(found).sum(dtype=np.float64) / max(1, len(x))


def backward(
    dloss: np.ndarray,
    dprob: np.ndarray | None,
    label: np.ndarray,
    probability: np.ndarray,
    dx: np.ndarray,
    table: np.ndarray,
) -> None:
    """dx = dloss (p - one-hot label) / N, and through the second top."""
    labels = new_labels(label, table)
    items = np.flatnonzero(labels >= 0)
    rows = np.zeros(dx.shape[:2], dx.dtype)
    rows[items] = probability.reshape(rows.shape)[items]
    rows[items, labels[items]] -= 1
    np.multiply(rows.reshape(dx.shape), float(dloss) / max(1, len(dx)), out=dx)
    if dprob is not None:
        dx += softmax_gradient(dprob, probability, 1)
