"""Nesterov's accelerated gradient; see solvers/nesterov.py for the definition."""

from typing import Any

import numpy as np

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
    before = momentum * history
    history = before + rate * g
    return (np.float32(1) + momentum) * history - before, history


_step = rule(_rule)
