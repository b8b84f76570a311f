"""Accuracy: how often the label is among the best scores."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_label_count, pick, read_labels
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("Accuracy", param="accuracy_param")
class Accuracy(Layer):
    """The share of places where fewer than top_k other classes score at least as much as the label's.

    bottoms: x, scores with the classes on `axis`, as (N, C, ...); label, one whole number for each place, as (N, ...).
    tops: accuracy, a single number; per_class (C,), if a second top is given: the share of each class, 0 where it
        does not occur.
    top_k 1. axis 1. ignore_label (none): places with that label do not count; 0 when none counts.
    A tie is a miss. So is a label whose score is NaN, which Caffe counts as right.
    Gradient: none. Errors: LabelError for a label that is no class; ModelError when top_k exceeds the classes.
    Source: BVLC Caffe's Accuracy layer.
    """

    bottoms = ("x", "label")
    tops = ("accuracy", "per_class?")
    no_gradient = ("x", "label")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        self._axis = int(p.axis)
        self.options = {
            "top_k": int(p.top_k),
            "ignore_label": int(p.ignore_label) if p.HasField("ignore_label") else None,
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, and one for each class."""
        scores, label = shapes
        axis = self.options["axis"] = canonical_axis(self, self._axis, len(scores))
        top_k = self.options["top_k"]
        if not 1 <= top_k <= scores[axis]:
            raise self.fail(
                f"top_k is {top_k}, but there are {scores[axis]} classes; use 1 .. {scores[axis]}.", ModelError
            )
        batch_size(self, scores, label)
        check_label_count(self, scores, label, axis)
        return [(), (scores[axis],)][: len(self.message.top)]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    accuracy: np.ndarray,
    per_class: np.ndarray | None,
    axis: int,
    top_k: int,
    ignore_label: int | None,
) -> None:
    """Count the scores that are at least the label's own."""
    classes = x.shape[axis]
    labels, counts = read_labels(label, classes, ignore_label, x.shape[0])
    own = pick(x, labels, axis)
    rivals = (x >= np.expand_dims(own.reshape(x.shape[:axis] + x.shape[axis + 1 :]), axis)).sum(axis=axis) - 1
    right = (rivals.reshape(-1) < top_k) & ~np.isnan(own) & counts
    total = np.count_nonzero(counts)
    accuracy[...] = np.count_nonzero(right) / total if total else 0
    if per_class is not None:
        seen = np.bincount(labels[counts], minlength=classes)
        per_class[...] = np.bincount(labels[right], minlength=classes) / np.maximum(seen, 1)
