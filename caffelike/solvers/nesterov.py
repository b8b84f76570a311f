"""Nesterov's accelerated gradient, in the form that evaluates the gradient at the present weights."""

import numpy as np

from caffelike.registry import register_solver
from caffelike.solvers.rule import apply, regularise
from caffelike.solvers.solver import Solver


@register_solver("Nesterov")
class NesterovSolver(Solver):
    """v' = momentum * v + rate * g;  w -= (1 + momentum) * v' - momentum * v.  Fields: momentum (0)."""


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
    before = momentum * history
    history[...] = before + rate * diff
    diff[...] = (1 + momentum) * history - before
    return apply(weight, diff)
