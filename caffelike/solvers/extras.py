"""Which opt-in extras a solver's fields ask for; all are off unless set. docs/training.md tells what they do."""

from typing import Any

from caffelike.errors import SolverError
from caffelike.solvers.average import WeightAverage
from caffelike.solvers.best import Best
from caffelike.solvers.keep import KeepLast
from caffelike.solvers.listener import Listener
from caffelike.solvers.plateau import Plateau


def check(p: Any) -> None:
    """Raise SolverError for values that make no sense."""
    if not p.gradient_scale > 0:
        raise SolverError(f"gradient_scale must be greater than 0, but is {p.gradient_scale:g}.")
    if not 0 <= p.average_decay < 1:
        raise SolverError(f"average_decay should lie between 0 and 1, but is {p.average_decay:g}.")
    for field in ("keep_snapshots", "early_stop", "warmup_iter"):
        if getattr(p, field) < 0:
            raise SolverError(f"{field} must not be negative, but is {getattr(p, field)}.")
    if (p.keep_best or p.early_stop) and not (p.test_iter and p.test_interval):
        raise SolverError("keep_best and early_stop need a test net: give test_iter and test_interval.")
    if p.score_mode not in ("", "max", "min"):
        raise SolverError(f"score_mode is max or min, not '{p.score_mode}'.")


def chosen(solver: Any) -> list[Listener]:
    """The extras of a solver whose nets are made. Raises SolverError."""
    p = solver.param
    wanted: list[tuple[Any, type[Listener]]] = [
        (p.lr_policy == "plateau", Plateau),
        (p.average_decay, WeightAverage),
        (p.keep_best or p.early_stop, Best),
        (p.keep_snapshots, KeepLast),
    ]
    return [extra(solver) for asked, extra in wanted if asked]  # type: ignore[call-arg]
