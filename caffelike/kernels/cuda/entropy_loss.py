"""EntropyLoss; see layers/entropy_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.scalar import TINIEST, log
from caffelike.kernels.cuda.sums import summed


def forward(p: Any, loss: Any) -> None:
    """The mean of the items' entropies."""
    total = empty(1)
    _terms(1, p.size, total, 0, p.reshape(-1))
    divide(1, total, total, loss.reshape(-1), False, float(p.shape[0]))


def backward(dloss: Any, p: Any, dp: Any) -> None:
    """-(log p + 1) / N."""
    _slopes(p.size, dloss.reshape(-1), p.reshape(-1), dp.reshape(-1), -1.0 / max(1, p.shape[0]))


@device
def _log(v):
    """The logarithm of a probability, taken as at least the smallest normal number."""
    return log(TINIEST if v < TINIEST else v)


@summed
def _terms(o, i, p):
    return -(p[i] * _log(p[i]))


@task
def _slopes(i, dloss, p, dp, share):
    dp[i] = (_log(p[i]) + np.float32(1)) * (dloss[0] * share)
