"""EltwiseAccuracy: how many pixels a segmentation net gets right."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_label_count, pick, read_labels
from caffelike.registry import register


@register("EltwiseAccuracy", param="eltwise_accuracy_param")
class EltwiseAccuracy(Layer):
    """The share of pixels whose own class scores highest.

    bottoms: x, scores (N, C, H, W); label (N, 1, H, W). tops: accuracy (1, 1, 1, 1).
    ignore_label (none): pixels with that label do not count; 0 when none counts.
    Of classes with the same score the last one is taken (Accuracy counts a tie as a miss). A label whose score is NaN
    is a miss.
    Gradient: none. Errors: LabelError for a label that is no class.
    Source: Noh et al., "Learning Deconvolution Network for Semantic Segmentation", ICCV 2015 (DeconvNet's fork).
    """

    bottoms = ("x", "label")
    tops = ("accuracy",)
    no_gradient = ("x", "label")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the label to ignore."""
        self.options = {"ignore_label": int(p.ignore_label) if p.HasField("ignore_label") else None}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, in four axes."""
        scores, label = shapes
        if len(scores) < 2:
            raise self.fail(f"needs scores (N, C, H, W), but '{self.message.bottom[0]}' is {scores}.")
        batch_size(self, scores, label)
        check_label_count(self, scores, label, 1)
        return [(1, 1, 1, 1)]


def forward(x: np.ndarray, label: np.ndarray, accuracy: np.ndarray, ignore_label: int | None) -> None:
    """Right is a label that no class outscores, nor one behind it equals."""
    labels, counts = read_labels(label, x.shape[1], ignore_label, x.shape[0])
    own = np.expand_dims(pick(x, labels, 1).reshape(x.shape[:1] + x.shape[2:]), 1)
    behind = np.arange(x.shape[1]).reshape(-1, *[1] * (x.ndim - 2)) > labels.reshape(own.shape)
    beaten = ((x > own) | ((x == own) & behind) | np.isnan(own)).any(axis=1).reshape(-1)
    total = np.count_nonzero(counts)
    accuracy[...] = np.count_nonzero(~beaten & counts) / total if total else 0
