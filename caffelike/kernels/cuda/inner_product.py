"""Inner product (fully connected layer); see layers/inner_product.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.matrix import multiply
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, weight: Any, bias: Any, y: Any, axis: int, transpose: bool) -> None:
    """y (M, O) = x (M, K) . weight^T + bias (O,); weight is (O, K), or (K, O) if transpose."""
    _forward(x, weight, bias, y, axis, transpose, None)


def forward_relu(x: Any, weight: Any, bias: Any, y: Any, axis: int, transpose: bool, negative_slope: float) -> None:
    """forward, and ReLU behind it in the same pass."""
    _forward(x, weight, bias, y, axis, transpose, negative_slope)


def _forward(x: Any, weight: Any, bias: Any, y: Any, axis: int, transpose: bool, slope: float | None) -> None:
    rows, terms = _matrix(x, axis)
    columns = y.size // max(1, rows)
    along, across = (columns, 1) if transpose else (1, terms)
    offset = None if bias is None else bias.reshape(-1)
    arrays = (x.reshape(-1), weight.reshape(-1), y.reshape(-1))
    multiply(*arrays, (rows, columns, terms), (terms, 1, along, across), offset, slope=slope)


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
        to, add = dweight.reshape(-1), bool(beta)
        if transpose:
            multiply(v, g, to, (terms, outputs, rows), (1, terms, outputs, 1), add=add)
        else:
            multiply(g, v, to, (outputs, terms, rows), (1, outputs, terms, 1), add=add)
    if dx is not None:
        along, across = (1, outputs) if transpose else (terms, 1)
        multiply(g, w, dx.reshape(-1), (rows, terms, outputs), (outputs, 1, along, across))


def _matrix(x: Any, axis: int) -> tuple[int, int]:
    """Rows and columns of x flattened before and behind `axis`."""
    shape = tuple(x.shape)
    return int(np.prod(shape[:axis], dtype=np.int64)), int(np.prod(shape[axis:], dtype=np.int64))


@summed
def _columns(o, k, dy, outputs):
    return dy[k * outputs + o]
