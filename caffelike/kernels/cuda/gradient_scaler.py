"""GradientScaler; see layers/gradient_scaler.py for the definition."""

import math
from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import copy
from caffelike.kernels.cuda.pointwise import unary


def forward(x: Any, y: Any, passes: np.ndarray, train: bool) -> None:
    """Copy, and count, in the computer's memory."""
    copy(y, x)
    passes += train


def backward(dy: Any, passes: np.ndarray, dx: Any, low: float, high: float, alpha: float, last: float) -> None:
    """Turn the gradient round."""
    done = min(1.0, float(passes[0] - 1) / last)
    factor = 2 * (high - low) / (1 + math.exp(-alpha * done)) - (high - low) + low
    _scale(dy, dx, -factor)


@unary
def _scale(g, factor):
    return g * factor
