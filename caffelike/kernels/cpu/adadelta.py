"""AdaDelta; see solvers/adadelta.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.update import rule
from caffelike.kernels.jit import kernel


def update(
    weight: np.ndarray,
    diff: np.ndarray,
    squares: np.ndarray,
    steps: np.ndarray,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    momentum: float,
    delta: float,
) -> bool:
    """One step of one parameter; whether all weights are finite."""
    return _step(weight, diff, squares, steps, scale, l2, l1, rate, momentum, delta)


@kernel
def _rule(g, squares, steps, rate, numbers):
    momentum, delta = numbers
    fresh = np.float32(1) - momentum
    squares = momentum * squares + fresh * (g * g)
    step = g * np.sqrt((steps + delta) / (squares + delta))
    return rate * step, squares, momentum * steps + fresh * (step * step)


_step = rule(_rule, histories=2)
