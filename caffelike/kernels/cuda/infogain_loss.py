"""InfogainLoss; see layers/infogain_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.door import empty, on_device, task
from caffelike.kernels.cuda.labels import divide, factor
from caffelike.kernels.cuda.scalar import LOG_THRESHOLD, log
from caffelike.kernels.cuda.softmax import lengths
from caffelike.kernels.cuda.softmax_with_loss import add_through, probabilities
from caffelike.kernels.cuda.sums import summed


def forward(
    x: Any,
    label: Any,
    H: Any,
    weight: Any,
    loss: Any,
    prob: Any,
    probability: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """Softmax, then the weighted logarithms. Waits for the labels' check; raises LabelError."""
    classes, inner = lengths(x, axis)
    places = label.size
    terms = labels.terms(label, weight, class_weight, ignore_label)
    labels.check(label, classes, terms[-1], x.shape[0])
    p = probabilities(x, prob, probability, classes, inner)
    total = empty(1)
    _losses(1, places, total, 0, p, _matrix(H), *terms, classes, inner)
    valid = labels.valid(places, terms, True)
    divide(1, total, valid, loss.reshape(-1), *labels.fixed(normalization, places, inner))


def backward(
    dloss: Any,
    dprob: Any,
    label: Any,
    H: Any,
    weight: Any,
    probability: Any,
    dx: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """dx = dloss (p sum(row) - row) / divisor, and through the second top."""
    classes, inner = lengths(dx, axis)
    places = label.size
    terms = labels.terms(label, weight, class_weight, ignore_label)
    share, valid = empty(1), labels.valid(places, terms, True)
    divide(1, dloss.reshape(-1), valid, share, *labels.fixed(normalization, places, inner))
    p, to = probability.reshape(-1), dx.reshape(-1)
    _backward(places, p, to, share, _matrix(H), *terms, classes, inner)
    if dprob is not None:
        add_through(places, dprob.reshape(-1), p, to, classes, inner)


def _matrix(H: Any) -> Any:
    """H flat; copied there where it was read from a file."""
    return (on_device(H) if isinstance(H, np.ndarray) else H).reshape(-1)


@summed
def _losses(o, i, p, H, labels, weights, each, factors, by_class, ignored, classes, inner):
    label = int(labels[i])
    if label == ignored:
        return 0.0
    at, total = i // inner * classes * inner + i % inner, 0.0
    for k in range(classes):
        v = p[at + k * inner]
        total -= log(LOG_THRESHOLD if v < LOG_THRESHOLD else v) * H[label * classes + k]
    return total * factor(i, labels, weights, each, factors, by_class, ignored)


@task
def _backward(i, p, dx, share, H, labels, weights, each, factors, by_class, ignored, classes, inner):
    label = int(labels[i])
    at, row = i // inner * classes * inner + i % inner, label * classes
    if label == ignored:
        for k in range(classes):
            dx[at + k * inner] = np.float32(0)
    else:
        total = np.float32(0)
        for k in range(classes):
            total += H[row + k]
        scale = share[0] * factor(i, labels, weights, each, factors, by_class, ignored)
        for k in range(classes):
            dx[at + k * inner] = (p[at + k * inner] * total - H[row + k]) * scale
