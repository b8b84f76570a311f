"""RMSProp; see solvers/rmsprop.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.update import rule
from caffelike.kernels.jit import kernel


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
    """One step of one parameter; whether all weights are finite."""
    return _step(weight, diff, history, scale, l2, l1, rate, rms_decay, delta)


@kernel
def _rule(g, history, rate, numbers):
    decay, delta = numbers
    history = decay * history + (np.float32(1) - decay) * (g * g)
    return g * (rate / (np.sqrt(history) + delta)), history


_step = rule(_rule)
