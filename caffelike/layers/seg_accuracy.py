"""SegAccuracy: how well pixels are classified, in three numbers."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("SegAccuracy", param="seg_accuracy_param")
class SegAccuracy(Layer):
    """The share of right pixels, the mean recall of the classes that occur, the mean intersection over union.

    bottoms: x (N, C, H, W), scores (C = 1: of class 1, which is taken above 0.5); label (N, 1, H, W).
    tops: y (1, 1, 1, 3), for this batch: pixel accuracy; recall, over classes with labels; intersection over union,
        over all classes, 1 where neither label nor prediction has the class. Of equal scores the first counts.
    ignore_label (none, several possible): pixels that do not count. With none that counts: 0, 0, 1.
    reset (true): false adds the counts of all batches up from the start. metric (PixelAccuracy) says which of the three
        to look at, and changes nothing.
    Gradient: none. Errors: LabelError for a label that is no class, ShapeError for bottoms of different sizes.
    Source: DeepLab's fork of Caffe (Chen et al., ICLR 2015), and PSPNet's.
    """

    bottoms = ("x", "label")
    no_gradient = ("x", "label")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        self._counts: np.ndarray = np.zeros((0, 0), np.int64)
        self.options = {"ignored": tuple(int(v) for v in p.ignore_label), "add": not p.reset}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Three numbers."""
        x, label = shapes
        if len(x) != 4 or label != (x[0], 1, *x[2:]):
            raise self.fail(f"needs scores (N, C, H, W) and labels (N, 1, H, W), but they are {x} and {label}.")
        classes = max(2, x[1])
        if self._counts.shape != (classes, classes):
            self._counts = np.zeros((classes, classes), np.int64)
        self.options["counts"] = self._counts
        return [(1, 1, 1, 3)]


def forward(
    x: np.ndarray, label: np.ndarray, y: np.ndarray, counts: np.ndarray, ignored: tuple[int, ...], add: bool
) -> None:
    """Fill the confusion matrix counts[label, prediction], sum up its rows, columns and diagonal."""
    classes = len(counts)
    labels = np.trunc(label).astype(np.int64)[:, 0]
    valid = ~np.isin(labels, ignored)
    wrong = np.argwhere(valid & ((labels < 0) | (labels >= classes)))
    if len(wrong):
        raise LabelError.no_class(int(wrong[0][0]), float(labels[tuple(wrong[0])]), classes)
    guess = x.argmax(axis=1) if x.shape[1] > 1 else (x[:, 0] > 0.5).astype(np.int64)
    found = np.bincount(labels[valid] * classes + guess[valid], minlength=classes * classes)
    counts[...] = (counts if add else 0) + found.reshape(counts.shape)
    right, rows = np.diag(counts).astype(np.float64), counts.sum(axis=1)
    union = rows + counts.sum(axis=0) - right
    total = counts.sum()
    shares = np.where(union > 0, right / np.maximum(union, 1), 1)
    recall = (right / np.maximum(rows, 1)).sum() / max(1, np.count_nonzero(rows))
    y[...] = np.array([right.sum() / max(1, total), recall, shares.mean()]).reshape(y.shape)
