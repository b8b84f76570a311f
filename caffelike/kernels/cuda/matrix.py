"""Products of two matrices that lie in memory, turned or not."""

from typing import Any

from caffelike.kernels.cuda.product import product
from caffelike.kernels.cuda.relu import rectified


def multiply(
    left: Any,
    right: Any,
    to: Any,
    sizes: tuple[int, int, int],
    steps: tuple[int, int, int, int],
    bias: Any = None,
    add: bool = False,
    starts: tuple[int, int, int] = (0, 0, 0),
    slope: float | None = None,
) -> None:
    """to (rows, columns) = left (rows, terms) . right (terms, columns) [+ bias (columns,)] [+ to if `add`].

    slope: if given, ReLU of that with this slope below 0.

    All arrays are flat. sizes: rows, columns, terms. steps: how far the next row and term of `left` lie apart, and the
    next term and column of `right`. starts: where each of the three begins.
    """
    rows, columns, terms = sizes
    more = 2 if add else 1 if bias is not None else 0
    arrays = (left, right, to, to if bias is None else bias)
    cut = (slope is not None, float(slope or 0))
    _multiply(1, rows, columns, terms, *arrays, steps, starts, more, *cut, columns)


def _left(b, m, k, left, right, to, bias, steps, starts, more, cut, slope, columns):
    return left[starts[0] + m * steps[0] + k * steps[1]]


def _right(b, k, n, left, right, to, bias, steps, starts, more, cut, slope, columns):
    return right[starts[1] + k * steps[2] + n * steps[3]]


def _store(b, m, n, value, left, right, to, bias, steps, starts, more, cut, slope, columns):
    at = starts[2] + m * columns + n
    if more == 1:
        value += bias[n]
    elif more == 2:
        value += to[at]
    if cut:
        value = rectified(value, slope)
    to[at] = value


_multiply = product(_left, _right, _store)
