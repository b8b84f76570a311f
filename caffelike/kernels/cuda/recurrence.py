"""What LSTM and RNN share: the products with the inputs for all steps at once, and the gradients of all weights.

Values of all steps are flat (T, N, ...); what depends on the step before is done step by step.
"""

from typing import Any

from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.matrix import multiply
from caffelike.kernels.cuda.sums import summed


def project(x: Any, weight: Any, bias: Any, x_static: Any, weight_static: Any, to: Any, lines: int, batch: int) -> None:
    """to (lines, rows of weight) = weight x + bias + weight_static x_static; the static ones for `batch` lines each."""
    rows, features = (int(n) for n in weight.shape)
    multiply(x.reshape(-1), weight.reshape(-1), to, (lines, rows, features), (features, 1, 1, features), bias)
    if x_static is not None:
        features, once = int(weight_static.shape[1]), empty(batch * rows)
        sizes, steps = (batch, rows, features), (features, 1, 1, features)
        multiply(x_static.reshape(-1), weight_static.reshape(-1), once, sizes, steps)
        _add_each_step(lines * rows, to, once, batch * rows)


def project_back(
    grad: Any,
    x: Any,
    weight: Any,
    dx: Any,
    dweight: Any,
    x_static: Any,
    weight_static: Any,
    dx_static: Any,
    dweight_static: Any,
    beta: float,
    lines: int,
    batch: int,
) -> None:
    """The gradients of `project`, but for the bias, for grad (lines, rows of weight)."""
    _back(grad, x, weight, dx, dweight, beta, lines)
    if x_static is not None and (dx_static is not None or dweight_static is not None):
        each = batch * int(weight.shape[0])
        once = empty(each)
        _over_steps(each, lines // max(1, batch), once, 0, grad, each)
        _back(once, x_static, weight_static, dx_static, dweight_static, beta, batch)


def _back(grad: Any, x: Any, weight: Any, dx: Any, dweight: Any, beta: float, lines: int) -> None:
    rows, features = (int(n) for n in weight.shape)
    if dx is not None:
        multiply(grad, weight.reshape(-1), dx.reshape(-1), (lines, features, rows), (rows, 1, features, 1))
    if dweight is not None:
        weight_gradient(grad, x.reshape(-1), dweight, beta, lines)


def weight_gradient(grad: Any, values: Any, dweight: Any, beta: float, lines: int) -> None:
    """dweight = grad^T values, for grad (lines, rows) and values (lines, columns), + dweight if beta."""
    rows, columns = (int(n) for n in dweight.shape)
    sizes, steps = (rows, columns, lines), (1, rows, columns, 1)
    multiply(grad, values, dweight.reshape(-1), sizes, steps, add=bool(beta))


def bias_gradient(grad: Any, dbias: Any, beta: float, lines: int) -> None:
    """dbias = the sum of grad's lines, + dbias if beta."""
    _over_steps(dbias.size, lines, dbias, beta, grad, dbias.size)


def through_state(carried: Any, weight: Any, to: Any, batch: int, start: int) -> None:
    """to (batch, rows of weight) += weight carried, from `start` on; carried (batch, D): the step before's state."""
    rows, size = (int(n) for n in weight.shape)
    sizes, steps = (batch, rows, size), (size, 1, 1, size)
    multiply(carried, weight.reshape(-1), to, sizes, steps, add=True, starts=(0, 0, start))


def back_through_state(grad: Any, weight: Any, dh: Any, batch: int, start: int) -> None:
    """dh (batch, D) = grad (batch, rows), from `start` on, times weight."""
    rows, size = (int(n) for n in weight.shape)
    multiply(grad, weight.reshape(-1), dh, (batch, size, rows), (rows, 1, size, 1), starts=(start, 0, 0))


@task
def carry(i, h, cont, to, size):
    """to = h, line by line times cont."""
    to[i] = h[i] * cont[i // size]


@task
def _add_each_step(i, to, once, each):
    to[i] = to[i] + once[i % each]


@summed
def _over_steps(o, step, grad, each):
    return grad[step * each + o]
