"""SELUDropout; see layers/selu_dropout.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import copy, task, zeros
from caffelike.kernels.cuda.philox import bits, least, words
from caffelike.kernels.cuda.pointwise import binary


def forward(x: Any, y: Any, mask: Any, key: np.ndarray | None, ratio: float, alpha: float, train: bool) -> None:
    """Keep a value where its random number is at least the ratio."""
    if not train or key is None:
        copy(y, x)
        return
    kept = zeros(x.size, np.uint8) if mask is None else mask.reshape(-1)
    scale = _scale(ratio, alpha)
    numbers = (alpha, scale, scale * ratio * alpha)
    _forward(x.size, x.reshape(-1), y.reshape(-1), kept, *words(key), least(ratio), *numbers)


def backward(dy: Any, mask: Any, dx: Any, ratio: float, alpha: float) -> None:
    """Scale the gradients of the values kept."""
    if mask is None:
        copy(dx, dy)
    else:
        _backward(dy, mask, dx, _scale(ratio, alpha))


def _scale(ratio: float, alpha: float) -> float:
    return float(((1 - ratio) * (1 + ratio * alpha**2)) ** -0.5)


@task
def _forward(i, x, y, mask, k0, k1, first, second, least, alpha, scale, shift):
    keep = (bits(i, k0, k1, first, second) >> 8) >= least
    mask[i] = keep
    y[i] = (x[i] if keep else alpha) * scale - shift


@binary
def _backward(g, kept, scale):
    return g * (scale if kept else np.float32(0))
