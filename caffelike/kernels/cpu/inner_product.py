"""Inner product (fully connected layer); see layers/inner_product.py for the definition.

Small batches stream the weights once, as they lie (stream.py); larger ones are packed products (gemm.py).
"""

from math import prod

import numpy as np

from caffelike.kernels.cpu.gemm import gemm
from caffelike.kernels.cpu.stream import add_rows, dot_rows, streams
from caffelike.kernels.jit import SUMS
from caffelike.kernels.launch import task
from caffelike.kernels.replay import replayable


def _matrix(x: np.ndarray, axis: int) -> np.ndarray:
    """x flattened to (product of the axes before `axis`, product of the others)."""
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def algorithm(x: np.ndarray, weight: np.ndarray, axis: int, transpose: bool) -> tuple[str, int]:
    """By which algorithm forward goes, and how many multiply-accumulates its products have."""
    images = len(_matrix(x, axis))
    return ("stream" if streams(weight, images) else "product"), images * weight.size


@replayable
def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray, axis: int, transpose: bool
) -> None:
    """y (M, O) = x (M, K) . weight^T + bias (O,); weight is (O, K), or (K, O) if transpose."""
    x, y = _matrix(x, axis), _matrix(y, axis)
    _times(x, weight, y, not transpose)
    if bias is not None:
        _add(len(y), max(1, 16384 // max(1, bias.size)), y.reshape(-1), bias)


def _times(x: np.ndarray, weight: np.ndarray, y: np.ndarray, rows: bool) -> None:
    """y = x . weight^T if rows, else x . weight."""
    if not streams(weight, len(x)):
        gemm(x, weight, y, False, rows, 0)
    elif rows:
        dot_rows(weight, x, y)
    else:
        add_rows(weight, x, y)


@replayable
def backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    axis: int,
    transpose: bool,
    beta: float,
) -> None:
    """Gradients; None where not wanted. dx is overwritten, dweight and dbias become theirs + beta * themselves."""
    x, dy = _matrix(x, axis), _matrix(dy, axis)
    if dbias is not None:
        _sum_rows(dbias.size, max(64, 32768 // max(1, len(dy))), dy.reshape(-1), len(dy), dbias.reshape(-1), beta != 0)
    if dweight is not None:
        left, right = (x, dy) if transpose else (dy, x)
        gemm(left, right, dweight, True, False, beta)
    if dx is not None:
        _times(dy, weight, _matrix(dx, axis), transpose)


@task
def _add(worker, lo, hi, y, bias):
    """Add the bias to the lines lo..hi of y."""
    n = bias.size
    for m in range(lo, hi):
        line = y[m * n : (m + 1) * n]
        for i in range(n):
            line[i] += bias[i]


@task(fastmath=SUMS)
def _sum_rows(worker, lo, hi, d, n, out, add):
    width, to = out.size, out[lo:hi]
    if not add:
        for i in range(hi - lo):
            to[i] = 0
    for m in range(n):
        line = d[m * width + lo : m * width + hi]
        for i in range(hi - lo):
            to[i] += line[i]
