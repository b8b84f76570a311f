"""Accuracy; see layers/accuracy.py for the definition."""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.softmax import lengths
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, label: Any, accuracy: Any, per_class: Any, axis: int, top_k: int, ignore_label: int | None) -> None:
    """Count the scores that are at least the label's own. Waits for the labels' check; raises LabelError."""
    classes, inner = lengths(x, axis)
    places, flat = label.size, label.reshape(-1)
    ignored = labels.NOTHING if ignore_label is None else ignore_label
    labels.check(label, classes, ignored, x.shape[0])
    right = empty(places)
    _places(places, x.reshape(-1), flat, right, ignored, top_k, classes, inner)
    shares(found_right, seen_right, 1, places, accuracy.reshape(-1), right)
    if per_class is not None:
        shares(_found_of, _seen_of, classes, places, per_class.reshape(-1), right, flat)


def shares(found: Callable, seen: Callable, outputs: int, places: int, to: Any, *of: Any) -> None:
    """What is found among what is seen; 0 where nothing is."""
    counts = empty(outputs), empty(outputs)
    for count, total in zip((found, seen), counts, strict=True):
        count(outputs, places, total, 0, *of)
    _divide(outputs, *counts, to)


@task
def _places(i, x, labels, right, ignored, top_k, classes, inner):
    """1 where the label is among the best, 0 where it is not, -1 where it does not count."""
    label = int(labels[i])
    if label == ignored:
        right[i] = np.float32(-1)
    else:
        at = i // inner * classes * inner + i % inner
        own, rivals = x[at + label * inner], -1
        for k in range(classes):
            if x[at + k * inner] >= own:
                rivals += 1
        right[i] = np.float32(1) if own == own and rivals < top_k else np.float32(0)


@summed
def found_right(o, i, right):
    """1 for a place that is right."""
    return np.float32(1) if right[i] > 0 else np.float32(0)


@summed
def seen_right(o, i, right):
    """1 for a place that counts."""
    return np.float32(1) if right[i] >= 0 else np.float32(0)


@summed
def _found_of(c, i, right, labels):
    return np.float32(1) if right[i] > 0 and int(labels[i]) == c else np.float32(0)


@summed
def _seen_of(c, i, right, labels):
    return np.float32(1) if right[i] >= 0 and int(labels[i]) == c else np.float32(0)


@task
def _divide(i, found, seen, to):
    to[i] = found[i] / seen[i] if seen[i] > 0 else np.float32(0)
