"""AdaGrad: each weight's rate falls with the gradients it has seen. Source: Duchi et al., JMLR 2011."""

import numpy as np

from caffelike.registry import register_solver
from caffelike.solvers.rule import apply, regularise
from caffelike.solvers.solver import Solver


@register_solver("AdaGrad")
class AdaGradSolver(Solver):
    """s += g^2;  w -= rate * g / (sqrt(s) + delta).  Fields: delta (1e-8); momentum must be 0."""

    takes_momentum = False


def update(
    weight: np.ndarray,
    diff: np.ndarray,
    history: np.ndarray,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    delta: float,
) -> bool:
    """One step of one parameter; see caffelike/solvers/rule.py. history: s."""
    regularise(weight, diff, scale, l2, l1)
    history += diff * diff
    diff *= rate / (np.sqrt(history) + delta)
    return apply(weight, diff)
