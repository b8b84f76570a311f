"""Adam: bias-corrected running mean of the gradient over that of its square. Source: Kingma and Ba, ICLR 2015."""

import math

import numpy as np

from caffelike.errors import SolverError
from caffelike.registry import register_solver
from caffelike.solvers.rule import apply, regularise
from caffelike.solvers.solver import Solver


@register_solver("Adam")
class AdamSolver(Solver):
    """m = b1 * m + (1 - b1) * g;  v = b2 * v + (1 - b2) * g^2;  w -= rate * c * m / (sqrt(v) + delta).

    c = sqrt(1 - b2^t) / (1 - b1^t) with t = iteration + 1.
    Fields: momentum b1 (0), momentum2 b2 (0.999), delta (1e-8).
    """

    def check(self) -> None:
        """Refuse decays outside 0..1."""
        super().check()
        for name in ("momentum", "momentum2"):
            if not 0 <= getattr(self.param, name) < 1:
                raise SolverError(f"{name} should lie between 0 and 1 for Adam, but is {getattr(self.param, name):g}.")


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
    """One step of one parameter; see caffelike/solvers/rule.py. mean: m, variance: v."""
    t = iteration + 1
    correction = np.float32(math.sqrt(1 - float(momentum2) ** t) / (1 - float(momentum) ** t))
    regularise(weight, diff, scale, l2, l1)
    mean *= momentum
    mean += (1 - momentum) * diff
    variance *= momentum2
    variance += (1 - momentum2) * (diff * diff)
    diff[...] = rate * correction * mean / (np.sqrt(variance) + delta)
    return apply(weight, diff)
