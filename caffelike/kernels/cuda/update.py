"""The loops of all update rules: decay, rule, step and the check for NaN in one pass over memory.

A rule is a formula of one weight; see solvers/rule.py for what all share and solvers/<stem>.py for the definitions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, download, fill, named, task, zeros
from caffelike.kernels.cuda.scalar import finite, sign


class _Answer:
    """Whether every weight updated since it was asked last is finite: asked when it is used as a truth value."""

    flag: Any = None  # a device array of one number, not 0 where a weight was not finite

    def __bool__(self) -> bool:
        broken = np.empty(1, np.int32)
        download(self.flag, broken)
        if broken[0]:
            fill(self.flag, 0)
        return not broken[0]


_answer = _Answer()


def rule(function: Callable, histories: int = 1) -> Callable[..., Any]:
    """f(weight, diff, *histories, scale, l2, l1, rate, *numbers) -> whether all weights are finite afterwards.

    function(gradient, [histories,] rate, *numbers), with the regularised gradient, answers (step, *histories).
    `histories`: 1 or 2. The answer waits for the GPU only when it is looked at, and is the same object each time.
    """
    formula = device(function)

    def one(i, weight, diff, history, scale, l2, l1, rate, numbers, broken):
        w = weight[i]
        gradient = scale * diff[i] + l2 * w + l1 * sign(w)
        step, history[i] = formula(gradient, history[i], rate, *numbers)
        diff[i] = step
        weight[i] = w - step
        if not finite(w - step):
            broken[0] = 1

    def two(i, weight, diff, first, second, scale, l2, l1, rate, numbers, broken):
        w = weight[i]
        gradient = scale * diff[i] + l2 * w + l1 * sign(w)
        step, first[i], second[i] = formula(gradient, first[i], second[i], rate, *numbers)
        diff[i] = step
        weight[i] = w - step
        if not finite(w - step):
            broken[0] = 1

    run = task(named(one if histories == 1 else two, function))

    def update(weight: Any, *rest: Any) -> Any:
        if _answer.flag is None:
            _answer.flag = zeros(1, np.int32)
        arrays, numbers = rest[: 1 + histories], tuple(map(np.float32, rest[1 + histories :]))
        run(weight.size, weight, *arrays, *numbers[:4], numbers[4:], _answer.flag)
        return _answer

    return update
