"""MultinomialLogisticLoss; see layers/multinomial_logistic_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import labels
from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.labels import divide, factor
from caffelike.kernels.cuda.scalar import LOG_THRESHOLD, log
from caffelike.kernels.cuda.sums import summed


def forward(p: Any, label: Any, weight: Any, loss: Any, class_weight: tuple[float, ...]) -> None:
    """The mean of the logarithms at the labels. Waits for the labels' check; raises LabelError."""
    items = int(p.shape[0])
    classes = p.size // max(1, items)
    terms = labels.terms(label, weight, class_weight, None)
    labels.check(label, classes, terms[-1], items)
    total = empty(1)
    _losses(1, items, total, 0, p.reshape(-1), *terms, classes)
    divide(1, total, total, loss.reshape(-1), False, float(items))


def backward(dloss: Any, p: Any, label: Any, weight: Any, dp: Any, class_weight: tuple[float, ...]) -> None:
    """dp = -dloss w / (N p) at the labels."""
    items = int(p.shape[0])
    classes = p.size // max(1, items)
    terms = labels.terms(label, weight, class_weight, None)
    _backward(p.size, dloss.reshape(-1), p.reshape(-1), dp.reshape(-1), *terms, classes, -1.0 / max(1, items))


@summed
def _losses(o, i, p, labels, weights, each, factors, by_class, ignored, classes):
    v = p[i * classes + int(labels[i])]
    v = LOG_THRESHOLD if v < LOG_THRESHOLD else v
    return -log(v) * factor(i, labels, weights, each, factors, by_class, ignored)


@task
def _backward(k, dloss, p, dp, labels, weights, each, factors, by_class, ignored, classes, share):
    i = k // classes
    if k % classes == int(labels[i]):
        v = LOG_THRESHOLD if p[k] < LOG_THRESHOLD else p[k]
        dp[k] = dloss[0] * share * factor(i, labels, weights, each, factors, by_class, ignored) / v
    else:
        dp[k] = np.float32(0)
