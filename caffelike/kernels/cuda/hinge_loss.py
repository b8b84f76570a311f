"""HingeLoss; see layers/hinge_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.door import device, empty, task
from caffelike.kernels.cuda.labels import divide, factor
from caffelike.kernels.cuda.scalar import sign
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, label: Any, weight: Any, loss: Any, norm: str, class_weight: tuple[float, ...]) -> None:
    """Sum the margins that are not met. Waits for the labels' check; raises LabelError."""
    items = int(x.shape[0])
    classes = x.size // max(1, items)
    terms = labels.terms(label, weight, class_weight, None)
    labels.check(label, classes, terms[-1], items)
    total = empty(1)
    _losses(1, x.size, total, 0, x.reshape(-1), *terms, classes, norm == "L1")
    divide(1, total, total, loss.reshape(-1), False, float(items))


def backward(dloss: Any, x: Any, label: Any, weight: Any, dx: Any, norm: str, class_weight: tuple[float, ...]) -> None:
    """-t where a margin is not met, times twice the gap for L2."""
    items = int(x.shape[0])
    classes = x.size // max(1, items)
    terms = labels.terms(label, weight, class_weight, None)
    flat, to = x.reshape(-1), dx.reshape(-1)
    _backward(x.size, dloss.reshape(-1), flat, to, *terms, classes, norm == "L1", 1.0 / max(1, items))


@device
def _target(k, labels, classes):
    """1 at the label, else -1."""
    return np.float32(1) if k % classes == int(labels[k // classes]) else np.float32(-1)


@device
def _missing(v, target):
    """How far a score is from its margin; 0 where it is met, and for NaN."""
    gap = np.float32(1) - target * v
    return gap if gap > 0 else np.float32(0)


@summed
def _losses(o, k, x, labels, weights, each, factors, by_class, ignored, classes, linear):
    gap = _missing(x[k], _target(k, labels, classes))
    return (gap if linear else gap * gap) * factor(k // classes, labels, weights, each, factors, by_class, ignored)


@task
def _backward(k, dloss, x, dx, labels, weights, each, factors, by_class, ignored, classes, linear, share):
    target = _target(k, labels, classes)
    gap = _missing(x[k], target)
    slope = sign(gap) if linear else np.float32(2) * gap
    scale = dloss[0] * share * factor(k // classes, labels, weights, each, factors, by_class, ignored)
    dx[k] = -target * slope * scale
