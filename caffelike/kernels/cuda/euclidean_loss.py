"""EuclideanLoss; see layers/euclidean_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, target: Any, weight: Any, loss: Any, difference: Any) -> None:
    """loss = half the mean squared distance; keeps the difference."""
    gap = empty(x.size) if difference is None else difference.reshape(-1)
    _gaps(x.size, x.reshape(-1), target.reshape(-1), gap)
    weights, each = _weights(weight, gap)
    total = empty(1)
    _squares(1, x.size, total, 0, gap, weights, each)
    _mean(1, total, loss.reshape(-1), 2 * max(1, x.shape[0]))


def backward(dloss: Any, weight: Any, difference: Any, dx: Any, dtarget: Any) -> None:
    """The difference, weighted and scaled, and its opposite."""
    gap, items = difference.reshape(-1), max(1, difference.shape[0])
    weights, each = _weights(weight, gap)
    for to, way in ((dx, 1.0), (dtarget, -1.0)):
        if to is not None:
            _slopes(gap.size, gap, dloss.reshape(-1), weights, each, to.reshape(-1), way / items)


def _weights(weight: Any, gap: Any) -> tuple[Any, int]:
    """Weights and how many values each is for; 0 where there are none, and something else stands in their place."""
    return (gap, 0) if weight is None else (weight.reshape(-1), max(1, gap.size // max(1, weight.size)))


@task
def _gaps(i, x, target, gap):
    gap[i] = x[i] - target[i]


@summed
def _squares(o, i, gap, weights, each):
    return gap[i] * gap[i] * weights[i // each] if each > 0 else gap[i] * gap[i]


@task
def _mean(i, total, loss, count):
    loss[0] = total[0] / np.float32(count)


@task
def _slopes(i, gap, dloss, weights, each, to, factor):
    v = gap[i] * weights[i // each] if each > 0 else gap[i]
    to[i] = v * (dloss[0] * factor)
