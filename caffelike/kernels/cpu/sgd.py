"""SGD with momentum in one pass over memory; see solvers/sgd.py for the definition."""

import numpy as np

from caffelike.kernels.jit import SUMS
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # elements: three arrays of 64 KB, some 10 us


def update(
    weight: np.ndarray,
    diff: np.ndarray,
    history: np.ndarray,
    scale: np.float32,
    l2: np.float32,
    l1: np.float32,
    rate: np.float32,
    momentum: np.float32,
) -> bool:
    """One step of one parameter; whether all weights are finite."""
    broken = np.zeros(-(-weight.size // _GRAIN), np.uint8)
    _step(weight.size, _GRAIN, weight, diff, history, scale, l2, l1, rate, momentum, broken)
    return not broken.any()


@task(fastmath=SUMS)
def _step(worker, lo, hi, weight, diff, history, scale, l2, l1, rate, momentum, broken):
    zero = np.float32(0)
    check = zero  # a sum of 0 * w: 0 unless a weight is NaN or infinite
    for i in range(lo, hi):
        w = weight[i]
        g = scale * diff[i] + l2 * w
        if l1 != zero:
            g += l1 if w > zero else (-l1 if w < zero else zero)
        v = momentum * history[i] + rate * g
        history[i] = v
        diff[i] = v
        w -= v
        weight[i] = w
        check += zero * w
    if not check == zero:
        broken[lo // _GRAIN] = 1
