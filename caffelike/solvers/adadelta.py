"""AdaDelta: steps in the units of the weights, from running squares of steps and gradients. Source: Zeiler, 2012."""

import numpy as np

from caffelike.registry import register_solver
from caffelike.solvers.rule import apply, regularise
from caffelike.solvers.solver import Solver


@register_solver("AdaDelta")
class AdaDeltaSolver(Solver):
    """s = m * s + (1 - m) * g^2;  d = g * sqrt((u + delta) / (s + delta));  u = m * u + (1 - m) * d^2;  w -= rate * d.

    Fields: momentum m (0), delta (1e-8).
    """


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
    """One step of one parameter; see caffelike/solvers/rule.py. squares: s, steps: u."""
    regularise(weight, diff, scale, l2, l1)
    squares *= momentum
    squares += (1 - momentum) * (diff * diff)
    diff *= np.sqrt((steps + delta) / (squares + delta))
    steps *= momentum
    steps += (1 - momentum) * (diff * diff)
    diff *= rate
    return apply(weight, diff)
