"""The loops of all update rules: decay, rule, step and the check for NaN in one pass over memory.

A rule is a formula of one weight; see solvers/rule.py for what all share and solvers/<stem>.py for the definitions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.kernels.jit import SUMS, with_globals
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # weights: three arrays of 64 KB, some 10 us


def rule(formula: Any, histories: int = 1) -> Callable[..., bool]:
    """f(weight, diff, *histories, scale, l2, l1, rate, *numbers) -> whether all weights are finite afterwards.

    formula: a module global made with @kernel, called as formula(gradient, [histories,] rate, numbers) with the
    regularised gradient; it answers (step, *histories). `histories`: 1 or 2.
    """
    name = f"{formula.py_func.__module__}.{formula.py_func.__qualname__}"
    run = task(with_globals(_one if histories == 1 else _two, name, formula=formula), fastmath=SUMS)

    def update(weight: np.ndarray, *rest: Any) -> bool:
        arrays, numbers = rest[: 1 + histories], tuple(map(np.float32, rest[1 + histories :]))
        broken = np.zeros(-(-weight.size // _GRAIN), np.uint8)
        run(weight.size, _GRAIN, weight, *arrays, *numbers[:4], numbers[4:], broken)
        return not broken.any()

    return update


# `check` is a sum of 0 * weight: 0 unless a weight is NaN or infinite.


def _one(worker, lo, hi, weight, diff, history, scale, l2, l1, rate, numbers, broken):
    zero = np.float32(0)
    check = zero
    weight, diff, history = weight[lo:hi], diff[lo:hi], history[lo:hi]
    for i in range(hi - lo):
        w = weight[i]
        gradient = scale * diff[i] + l2 * w + l1 * np.sign(w)
        step, history[i] = formula(gradient, history[i], rate, numbers)  # noqa: F821
        diff[i] = step
        w -= step
        weight[i] = w
        check += zero * w
    if check != zero:
        broken[lo // _GRAIN] = 1


def _two(worker, lo, hi, weight, diff, first, second, scale, l2, l1, rate, numbers, broken):
    zero = np.float32(0)
    check = zero
    weight, diff, first, second = weight[lo:hi], diff[lo:hi], first[lo:hi], second[lo:hi]
    for i in range(hi - lo):
        w = weight[i]
        gradient = scale * diff[i] + l2 * w + l1 * np.sign(w)
        step, first[i], second[i] = formula(gradient, first[i], second[i], rate, numbers)  # noqa: F821
        diff[i] = step
        w -= step
        weight[i] = w
        check += zero * w
    if check != zero:
        broken[lo // _GRAIN] = 1
