"""What all update rules share: the gradient they start from and the step they end with.

A rule is one file: a Solver class and a module-level `update`, its definition in plain NumPy:

    update(weight, diff, [histories,] scale, l2, l1, rate, [constants]) -> bool

weight, diff and the histories are 1-D slices of one parameter in the net's arenas, written in place; there are as
many histories as names between `diff` and `scale`. The rest are float32 numbers: `scale`, `l2` and `l1` are for
`regularise`, `rate` is the parameter's learning rate, and a constant is the field of SolverParameter of its name, or
`iteration`. On return `diff` is what was subtracted from `weight`. The answer is whether every weight is still finite.
A fast kernel of the same name and parameters may lie in kernels/cpu/.
"""

import numpy as np


def regularise(weight: np.ndarray, diff: np.ndarray, scale: float, l2: float, l1: float) -> None:
    """Turn the summed gradient in `diff` into that of the regularised mean loss: scale*diff + l2*w + l1*sign(w)."""
    if scale != 1:
        diff *= scale
    if l2:
        diff += l2 * weight
    if l1:
        diff += l1 * np.sign(weight)


def apply(weight: np.ndarray, diff: np.ndarray) -> bool:
    """Subtract the finished update from the weights; whether all weights are finite."""
    weight -= diff
    return bool(np.isfinite(weight).all())
