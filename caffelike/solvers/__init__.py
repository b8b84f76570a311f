"""The training loop, learning-rate policies, snapshots, and one file an update rule."""

from caffelike.solvers.adadelta import AdaDeltaSolver
from caffelike.solvers.adagrad import AdaGradSolver
from caffelike.solvers.adam import AdamSolver
from caffelike.solvers.nesterov import NesterovSolver
from caffelike.solvers.rmsprop import RMSPropSolver
from caffelike.solvers.sgd import SGDSolver
from caffelike.solvers.solver import Solver, get_solver

__all__ = [
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "get_solver",
]
