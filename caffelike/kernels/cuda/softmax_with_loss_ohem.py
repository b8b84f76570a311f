"""SoftmaxWithLossOHEM; see layers/softmax_with_loss_ohem.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels, softmax_with_loss
from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.scalar import TINIEST, log
from caffelike.kernels.cuda.softmax import lengths
from caffelike.kernels.cuda.sums import summed


def forward(
    x: Any,
    label: Any,
    loss: Any,
    prob: Any,
    each: Any,
    probability: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
) -> None:
    """Softmax, and the logarithms at the labels. Waits for the labels' check; raises LabelError."""
    classes, inner = lengths(x, axis)
    places = label.size
    terms = labels.terms(label, None, (), ignore_label)
    labels.check(label, classes, terms[-1], x.shape[0])
    p = softmax_with_loss.probabilities(x, prob, probability, classes, inner)
    values = empty(places) if each is None else each.reshape(-1)
    _losses(places, p, terms[0], values, terms[-1], classes, inner)
    total = empty(1)
    _sum(1, places, total, 0, values)
    valid = labels.valid(places, terms, False)
    divide(1, total, valid, loss.reshape(-1), *labels.fixed(normalization, places, inner))


def backward(
    dloss: Any,
    label: Any,
    probability: Any,
    dx: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
) -> None:
    """dx = dloss (p - one-hot label) / divisor."""
    softmax_with_loss.backward(
        dloss, None, label, None, probability, dx, axis, normalization, ignore_label, (), False, 0.0
    )


@task
def _losses(i, p, labels, values, ignored, classes, inner):
    label = int(labels[i])
    if label == ignored:
        values[i] = np.float32(0)
    else:
        v = p[i // inner * classes * inner + label * inner + i % inner]
        values[i] = -log(TINIEST if v < TINIEST else v)


@summed
def _sum(o, i, values):
    return values[i]
