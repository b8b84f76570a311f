"""RMSProp: the gradient over a running root mean square of itself. Source: Tieleman and Hinton, 2012."""

import numpy as np

from caffelike.errors import SolverError
from caffelike.registry import register_solver
from caffelike.solvers.rule import apply, regularise
from caffelike.solvers.solver import Solver


@register_solver("RMSProp")
class RMSPropSolver(Solver):
    """s = d * s + (1 - d) * g^2;  w -= rate * g / (sqrt(s) + delta).

    Fields: rms_decay d (0.99, from 0 to below 1), delta (1e-8); momentum must be 0.
    """

    takes_momentum = False

    def check(self) -> None:
        """Refuse momentum, and a decay outside 0..1."""
        super().check()
        if not 0 <= self.param.rms_decay < 1:
            raise SolverError(f"rms_decay should lie between 0 and 1, but is {self.param.rms_decay:g}.")


def update(
    weight: np.ndarray,
    diff: np.ndarray,
    history: np.ndarray,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    rms_decay: float,
    delta: float,
) -> bool:
    """One step of one parameter; see caffelike/solvers/rule.py. history: s."""
    regularise(weight, diff, scale, l2, l1)
    history *= rms_decay
    history += (1 - rms_decay) * (diff * diff)
    diff *= rate / (np.sqrt(history) + delta)
    return apply(weight, diff)
