"""Correlation; see layers/correlation.py for the definition.

Both maps are padded and turned to channels last, so that a place's channels lie side by side.
"""

import numpy as np

from caffelike.kernels.cpu.sums import dot
from caffelike.kernels.jit import SUMS, kernel
from caffelike.kernels.launch import task

Ints = tuple[int, ...]


def forward(
    a: np.ndarray,
    b: np.ndarray,
    y: np.ndarray,
    kernel: int,
    reach: int,
    pad: int,
    step: int,
    shift: int,
    subtract: bool,
) -> None:
    """y (N, D^2, out_h, out_w) from a and b (N, C, H, W)."""
    first, second = _padded(a, pad, kernel), _padded(b, pad, kernel)
    sizes = (*first.shape[1:], *y.shape[1:])
    window = (kernel, reach, step, shift)
    rows = y.shape[0] * y.shape[1] * y.shape[2]
    run = _differences if subtract else _products
    run(rows, 1, first.reshape(-1), second.reshape(-1), y.reshape(-1), sizes, window)


def backward(
    dy: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    da: np.ndarray | None,
    db: np.ndarray | None,
    kernel: int,
    reach: int,
    pad: int,
    step: int,
    shift: int,
    subtract: bool,
) -> None:
    """Each product's gradient to its two factors, an item at a time."""
    first, second = _padded(a, pad, kernel), _padded(b, pad, kernel)
    sums = np.zeros_like(first), np.zeros_like(second)
    sizes, window = (*first.shape[1:], *dy.shape[1:]), (kernel, reach, step, shift)
    arrays = (dy.reshape(-1), first.reshape(-1), second.reshape(-1), sums[0].reshape(-1), sums[1].reshape(-1))
    _spread(a.shape[0], 1, *arrays, sizes, window, subtract)
    for total, to in zip(sums, (da, db), strict=True):
        if to is not None:
            inside = total[:, pad : pad + to.shape[2], pad : pad + to.shape[3]]
            np.divide(inside.transpose(0, 3, 1, 2), np.float32(kernel * kernel * a.shape[1]), out=to)


def _padded(x: np.ndarray, pad: int, patch: int) -> np.ndarray:
    """(N, H + .., W + .., C): zeros around, and a patch more behind, which the last rounded-up place may touch."""
    n, c, height, width = x.shape
    found = np.zeros((n, height + 2 * pad + patch, width + 2 * pad + patch, c), np.float32)
    found[:, pad : pad + height, pad : pad + width] = x.transpose(0, 2, 3, 1)
    return found


@kernel
def _places(row, i, sizes, window):
    """Of the top's row `row` (its item, displacement and line) and column i: where both patches begin, flat."""
    height, width, channels, moves, out_h, _ = sizes
    _, reach, step, shift = window
    h, rest = row % out_h, row // out_h
    move, n = rest % moves, rest // moves
    radius = reach // shift
    v, u = (move // (2 * radius + 1) - radius) * shift, (move % (2 * radius + 1) - radius) * shift
    top, left = h * step + reach, i * step + reach
    here = ((n * height + top) * width + left) * channels
    return here, here + (v * width + u) * channels


@task(fastmath=SUMS)
def _products(worker, lo, hi, a, b, y, sizes, window):
    """The top's rows lo..hi of mean products."""
    width, channels, out_w = sizes[1], sizes[2], sizes[5]
    patch = window[0]
    share = np.float32(1) / np.float32(patch * patch * channels)
    for row in range(lo, hi):
        for i in range(out_w):
            here, there = _places(row, i, sizes, window)
            total = 0.0
            for k in range(patch):
                line = k * width * channels
                one, other = a[here + line :], b[there + line :]
                total += dot(one[: patch * channels], other[: patch * channels])
            y[row * out_w + i] = np.float32(total) * share


@task(fastmath=SUMS)
def _differences(worker, lo, hi, a, b, y, sizes, window):
    """The top's rows lo..hi of mean absolute differences."""
    width, channels, out_w = sizes[1], sizes[2], sizes[5]
    patch = window[0]
    share = np.float32(1) / np.float32(patch * patch * channels)
    for row in range(lo, hi):
        for i in range(out_w):
            here, there = _places(row, i, sizes, window)
            total = np.float32(0)
            for k in range(patch):
                line = k * width * channels
                for c in range(patch * channels):
                    total += abs(a[here + line + c] - b[there + line + c])
            y[row * out_w + i] = total * share


@task
def _spread(worker, lo, hi, dy, a, b, da, db, sizes, window, subtract):
    """The gradients of the items lo..hi."""
    width, channels, moves, out_h, out_w = sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    patch = window[0]
    for row in range(lo * moves * out_h, hi * moves * out_h):
        for i in range(out_w):
            grad = dy[row * out_w + i]
            here, there = _places(row, i, sizes, window)
            for k in range(patch):
                line = k * width * channels
                for c in range(patch * channels):
                    one, other = a[here + line + c], b[there + line + c]
                    if subtract:
                        sign = grad if one >= other else -grad
                        da[here + line + c] += sign
                        db[there + line + c] -= sign
                    else:
                        da[here + line + c] += grad * other
                        db[there + line + c] += grad * one
