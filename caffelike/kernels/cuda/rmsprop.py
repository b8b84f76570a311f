"""RMSProp; see solvers/rmsprop.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.update import rule


def update(
    weight: Any,
    diff: Any,
    history: Any,
    scale: float,
    l2: float,
    l1: float,
    rate: float,
    rms_decay: float,
    delta: float,
) -> Any:
    """One step of one parameter; whether all weights are finite."""
    return _step(weight, diff, history, scale, l2, l1, rate, rms_decay, delta)


def _rule(g, history, rate, decay, delta):
    history = decay * history + (np.float32(1) - decay) * (g * g)
    return g * (rate / (sqrt(history) + delta)), history


_step = rule(_rule)
