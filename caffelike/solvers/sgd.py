"""Stochastic gradient descent with momentum. The momentum buffer holds learning rates, as in Caffe."""

import numpy as np

from caffelike.registry import register_solver
from caffelike.solvers.rule import apply, regularise
from caffelike.solvers.solver import Solver


@register_solver("SGD")
class SGDSolver(Solver):
    """v = momentum * v + rate * g;  w -= v.  Fields: momentum (0)."""


def update(
    weight: np.ndarray,
    diff: np.ndarray,
    history: np.ndarray,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    momentum: float,
) -> bool:
    """One step of one parameter; see caffelike/solvers/rule.py. history: v."""
    regularise(weight, diff, scale, l2, l1)
    history *= momentum
    history += rate * diff
    diff[...] = history
    return apply(weight, diff)
