"""SGD with momentum; see solvers/sgd.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.update import rule


def update(
    weight: Any,
    diff: Any,
    history: Any,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    momentum: float,
) -> Any:
    """One step of one parameter; whether all weights are finite."""
    return _step(weight, diff, history, scale, l2, l1, rate, momentum)


def _rule(g, history, rate, momentum):
    history = momentum * history + rate * g
    return history, history


_step = rule(_rule)
