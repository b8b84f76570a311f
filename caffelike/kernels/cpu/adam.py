"""Adam; see solvers/adam.py for the definition."""

import math

import numpy as np

from caffelike.kernels.cpu.update import rule
from caffelike.kernels.jit import kernel


def update(
    weight: np.ndarray,
    diff: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    momentum: float,
    momentum2: float,
    delta: float,
    iteration: int,
) -> bool:
    """One step of one parameter; whether all weights are finite."""
    t = iteration + 1
    correction = np.float32(math.sqrt(1 - float(momentum2) ** t) / (1 - float(momentum) ** t))
    return _step(weight, diff, mean, variance, scale, l2, l1, rate * correction, momentum, momentum2, delta)


@kernel
def _rule(g, mean, variance, rate, numbers):
    momentum, momentum2, delta = numbers
    one = np.float32(1)
    mean = momentum * mean + (one - momentum) * g
    variance = momentum2 * variance + (one - momentum2) * (g * g)
    return rate * mean / (np.sqrt(variance) + delta), mean, variance


_step = rule(_rule, histories=2)
