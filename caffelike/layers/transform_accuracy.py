"""TransformAccuracy: how often the class that a table makes of a finer one is among the best scores."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._label_table import check_classes, new_labels, read_table
from caffelike.layers._loss import check_one_label_each
from caffelike.registry import register


@register("TransformAccuracy", param="label_transform_param")
class TransformAccuracy(Layer):
    """The share of items whose new label is among the top_k best scores.

    bottoms: x (N, K, ...), scores; label (N,), whole numbers. tops: accuracy (1, 1, 1, 1).
    label_transform_file: as of TransformSoftmaxWithLoss; items with a new label less than 0 count as misses.
    accuracy_param: top_k 1. Of equal scores the last class is the better one; a NaN is a miss.
    Gradient: none. Errors: LabelError for a label without an entry; ModelError for a table of other classes or a top_k
        that is too large; FileError, DataError. Source: yjxiong's fork of Caffe.
    """

    bottoms = ("x", "label")
    tops = ("accuracy",)
    messages = ("accuracy_param",)
    no_gradient = ("x", "label")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the table."""
        self.options = {"table": read_table(self, p), "top_k": int(self.message.accuracy_param.top_k)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, in four axes."""
        x, label = shapes
        classes = int(np.prod(x[1:], dtype=np.int64))
        if not 1 <= self.options["top_k"] <= classes:
            raise self.fail(f"top_k is {self.options['top_k']}, but there are {classes} classes.", ModelError)
        check_one_label_each(self, x, label)
        check_classes(self, self.options["table"], classes)
        return [(1, 1, 1, 1)]


def forward(x: np.ndarray, label: np.ndarray, accuracy: np.ndarray, table: np.ndarray, top_k: int) -> None:
    """Right is a label that fewer than top_k classes outscore, or equal and stand behind."""
    labels = new_labels(label, table)
    rows = x.reshape(len(x), int(np.prod(x.shape[1:], dtype=np.int64)))
    own = rows[np.arange(len(rows)), np.maximum(labels, 0)][:, None]
    behind = np.arange(rows.shape[1]) > labels[:, None]
    rivals = ((rows > own) | ((rows == own) & behind)).sum(axis=1)
    right = (rivals < top_k) & (labels >= 0) & ~np.isnan(own[:, 0])
    accuracy[...] = np.count_nonzero(right) / len(rows) if len(rows) else 0
