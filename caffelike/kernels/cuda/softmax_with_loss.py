"""SoftmaxWithLoss; see layers/softmax_with_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.door import copy, empty, task
from caffelike.kernels.cuda.labels import divide, factor
from caffelike.kernels.cuda.scalar import TINIEST, log
from caffelike.kernels.cuda.softmax import lengths, slope, softmax
from caffelike.kernels.cuda.sums import summed


def forward(
    x: Any,
    label: Any,
    weight: Any,
    loss: Any,
    prob: Any,
    probability: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """Softmax, then the mean of the logarithms at the labels. Waits for the labels' check; raises LabelError."""
    classes, inner = lengths(x, axis)
    places = label.size
    terms = labels.terms(label, weight, class_weight, ignore_label)
    labels.check(label, classes, terms[-1], x.shape[0])
    p = probabilities(x, prob, probability, classes, inner)
    total = empty(1)
    peak, base, _ = _targets(smoothing, classes)
    _losses(1, places, total, 0, p, *terms, classes, inner, peak, base)
    valid = labels.valid(places, terms, weighted)
    divide(1, total, valid, loss.reshape(-1), *labels.fixed(normalization, places, inner))


def probabilities(x: Any, prob: Any, probability: Any, classes: int, inner: int) -> Any:
    """The softmax of x, flat, in those of `prob` and `probability` that are there."""
    if probability is None:
        probability = empty(x.size) if prob is None else prob
    p = probability.reshape(-1)
    softmax(x.size // max(1, classes), x.reshape(-1), p, classes, inner)
    if prob is not None and prob is not probability:
        copy(prob, probability)
    return p


def backward(
    dloss: Any,
    dprob: Any,
    label: Any,
    weight: Any,
    probability: Any,
    dx: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """dx = dloss (p - target) / divisor, and through the second top."""
    classes, inner = lengths(dx, axis)
    places = label.size
    terms = labels.terms(label, weight, class_weight, ignore_label)
    share, valid = empty(1), labels.valid(places, terms, weighted)
    divide(1, dloss.reshape(-1), valid, share, *labels.fixed(normalization, places, inner))
    p, to = probability.reshape(-1), dx.reshape(-1)
    _backward(places, p, to, share, *terms, classes, inner, *_targets(smoothing, classes))
    if dprob is not None:
        add_through(places, dprob.reshape(-1), p, to, classes, inner)


def _targets(smoothing: float, classes: int) -> tuple[np.float32, np.float32, np.float32]:
    """(what the label's target is above the others', the others' target, the sum of all)."""
    base = smoothing / max(1, classes)
    return np.float32(1 - smoothing - base if smoothing else 1), np.float32(base), np.float32(1 - base)


@summed
def _losses(o, i, p, labels, weights, each, factors, by_class, ignored, classes, inner, peak, base):
    label = int(labels[i])
    if label == ignored:
        return np.float32(0)
    first = i // inner * classes * inner + i % inner
    v = p[first + label * inner]
    term = peak * log(TINIEST if v < TINIEST else v)
    if base > np.float32(0):
        for k in range(classes):
            v = p[first + k * inner]
            term += base * log(TINIEST if v < TINIEST else v)
    return -term * factor(i, labels, weights, each, factors, by_class, ignored)


@task
def _backward(i, p, dx, share, labels, weights, each, factors, by_class, ignored, classes, inner, peak, base, total):
    label = int(labels[i])
    at = i // inner * classes * inner + i % inner
    scale = share[0] * factor(i, labels, weights, each, factors, by_class, ignored)
    for k in range(classes):
        here = at + k * inner
        if label == ignored:
            dx[here] = np.float32(0)
        else:
            dx[here] = (p[here] * total - base - (peak if k == label else np.float32(0))) * scale


@task
def add_through(i, dprob, p, dx, classes, inner):
    """dx += the gradient that comes through the probabilities of place i."""
    at, total = slope(i, dprob, p, classes, inner)
    for k in range(classes):
        here = at + k * inner
        dx[here] += p[here] * (dprob[here] - total)
