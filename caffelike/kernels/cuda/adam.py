"""Adam; see solvers/adam.py for the definition."""

import math
from typing import Any

import numpy as np

from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.update import rule


def update(
    weight: Any,
    diff: Any,
    mean: Any,
    variance: Any,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    momentum: float,
    momentum2: float,
    delta: float,
    iteration: int,
) -> Any:
    """One step of one parameter; whether all weights are finite."""
    t = iteration + 1
    correction = np.float32(math.sqrt(1 - float(momentum2) ** t) / (1 - float(momentum) ** t))
    return _step(weight, diff, mean, variance, scale, l2, l1, rate * correction, momentum, momentum2, delta)


def _rule(g, mean, variance, rate, momentum, momentum2, delta):
    one = np.float32(1)
    mean = momentum * mean + (one - momentum) * g
    variance = momentum2 * variance + (one - momentum2) * (g * g)
    return rate * mean / (sqrt(variance) + delta), mean, variance


_step = rule(_rule, histories=2)
