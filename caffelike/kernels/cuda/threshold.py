"""Threshold; see layers/threshold.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.pointwise import unary


def forward(x: Any, y: Any, threshold: float) -> None:
    """y = 1 where x is above the threshold, else 0."""
    _forward(x, y, threshold)


@unary
def _forward(v, threshold):
    return np.float32(1) if v > threshold else np.float32(0)
