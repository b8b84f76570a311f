"""AdaDelta; see solvers/adadelta.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.update import rule


def update(
    weight: Any,
    diff: Any,
    squares: Any,
    steps: Any,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    momentum: float,
    delta: float,
) -> Any:
    """One step of one parameter; whether all weights are finite."""
    return _step(weight, diff, squares, steps, scale, l2, l1, rate, momentum, delta)


def _rule(g, squares, steps, rate, momentum, delta):
    fresh = np.float32(1) - momentum
    squares = momentum * squares + fresh * (g * g)
    step = g * sqrt((steps + delta) / (squares + delta))
    return rate * step, squares, momentum * steps + fresh * (step * step)


_step = rule(_rule, histories=2)
