"""Inner product (fully connected layer); see layers/inner_product.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.product import product
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, weight: Any, bias: Any, y: Any, axis: int, transpose: bool) -> None:
    """y (M, O) = x (M, K) . weight^T + bias (O,); weight is (O, K), or (K, O) if transpose."""
    rows, terms = _matrix(x, axis)
    columns = y.size // max(1, rows)
    along, across = (columns, 1) if transpose else (1, terms)
    flat = y.reshape(-1)
    arrays = (x.reshape(-1), weight.reshape(-1), flat, flat if bias is None else bias.reshape(-1))
    _multiply(1, rows, columns, terms, *arrays, (terms, 1, along, across), 1 if bias is not None else 0, columns)


def backward(
    dy: Any,
    x: Any,
    weight: Any,
    dx: Any,
    dweight: Any,
    dbias: Any,
    axis: int,
    transpose: bool,
    beta: float,
) -> None:
    """Gradients; None where not wanted. dx is overwritten, dweight and dbias become theirs + beta * themselves."""
    rows, terms = _matrix(x, axis)
    outputs = dy.size // rows if rows else weight.size // max(1, terms)
    g, v, w = dy.reshape(-1), x.reshape(-1), weight.reshape(-1)
    if dbias is not None:
        _columns(outputs, rows, dbias.reshape(-1), beta, g, outputs)
    if dweight is not None:
        to, add = dweight.reshape(-1), 2 if beta else 0
        if transpose:
            _multiply(1, terms, outputs, rows, v, g, to, to, (1, terms, outputs, 1), add, outputs)
        else:
            _multiply(1, outputs, terms, rows, g, v, to, to, (1, outputs, terms, 1), add, terms)
    if dx is not None:
        along, across = (1, outputs) if transpose else (terms, 1)
        to = dx.reshape(-1)
        _multiply(1, rows, terms, outputs, g, w, to, to, (outputs, 1, along, across), 0, terms)


def _matrix(x: Any, axis: int) -> tuple[int, int]:
    """Rows and columns of x flattened before and behind `axis`."""
    shape = tuple(x.shape)
    return int(np.prod(shape[:axis], dtype=np.int64)), int(np.prod(shape[axis:], dtype=np.int64))


# `steps`: how far the next row and term of the left operand lie apart, and the next term and column of the right one.
# `more`: 1 adds the bias of the column, 2 what was there.


def _left(b, m, k, left, right, to, bias, steps, more, columns):
    return left[m * steps[0] + k * steps[1]]


def _right(b, k, n, left, right, to, bias, steps, more, columns):
    return right[k * steps[2] + n * steps[3]]


def _store(b, m, n, value, left, right, to, bias, steps, more, columns):
    at = m * columns + n
    if more == 1:
        value += bias[n]
    elif more == 2:
        value += to[at]
    to[at] = value


_multiply = product(_left, _right, _store)


@summed
def _columns(o, k, dy, outputs):
    return dy[k * outputs + o]
