"""EltwiseAccuracy; see layers/eltwise_accuracy.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.accuracy import found_right, seen_right, shares
from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.softmax import lengths


def forward(x: Any, label: Any, accuracy: Any, ignore_label: int | None) -> None:
    """Right is a label that no class outscores, nor one behind it equals. Waits for the labels; raises LabelError."""
    classes, inner = lengths(x, 1)
    ignored = labels.NOTHING if ignore_label is None else ignore_label
    labels.check(label, classes, ignored, x.shape[0])
    right = empty(label.size)
    _places(label.size, x.reshape(-1), label.reshape(-1), right, ignored, classes, inner)
    shares(found_right, seen_right, 1, label.size, accuracy.reshape(-1), right)


@task
def _places(i, x, labels, right, ignored, classes, inner):
    """1 where the label is the class, 0 where it is not, -1 where it does not count."""
    label = int(labels[i])
    if label == ignored:
        right[i] = np.float32(-1)
    else:
        at = i // inner * classes * inner + i % inner
        own, value = x[at + label * inner], np.float32(1)
        for k in range(classes):
            v = x[at + k * inner]
            if v > own or (v == own and k > label) or own != own:
                value = np.float32(0)
        right[i] = value
