"""Correlation; see layers/correlation.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task
from caffelike.kernels.cuda.sums import summed


def forward(a: Any, b: Any, y: Any, kernel: int, reach: int, pad: int, step: int, shift: int, subtract: bool) -> None:
    """y = the mean over channels and a patch, summed by a block of threads for each output."""
    sizes, to = _sizes(a, y, kernel, reach, pad, step, shift), y.reshape(-1)
    terms = int(a.shape[1]) * kernel * kernel
    _matches(y.size, terms, to, 0, a.reshape(-1), b.reshape(-1), sizes, bool(subtract))
    _divide(y.size, to, terms)


def backward(
    dy: Any,
    a: Any,
    b: Any,
    da: Any,
    db: Any,
    kernel: int,
    reach: int,
    pad: int,
    step: int,
    shift: int,
    subtract: bool,
) -> None:
    """Each product's gradient to its two factors; one output sums over displacements and places in the patch."""
    sizes = _sizes(a, dy, kernel, reach, pad, step, shift)
    g, first, second = dy.reshape(-1), a.reshape(-1), b.reshape(-1)
    for to, moved in ((da, False), (db, True)):
        if to is not None:
            terms = int(dy.shape[1]) * kernel * kernel
            _slopes(to.size, terms, to.reshape(-1), 0, g, first, second, sizes, bool(subtract), moved)
            _divide(to.size, to.reshape(-1), int(a.shape[1]) * kernel * kernel)


def _sizes(a: Any, y: Any, kernel: int, reach: int, pad: int, step: int, shift: int) -> tuple[int, ...]:
    """What the kernels are told: of the maps, of y, of the window."""
    return (*(int(n) for n in a.shape[1:]), *(int(n) for n in y.shape[1:]), kernel, reach, pad, step, shift)


@device
def _at(x, n, c, row, column, channels, height, width):
    """A pixel of the padded map; 0 beyond the image."""
    if row < 0 or column < 0 or row >= height or column >= width:
        return np.float32(0)
    return x[((n * channels + c) * height + row) * width + column]


@summed
def _matches(o, k, a, b, sizes, subtract):
    channels, height, width, moves, rows, columns, kernel, reach, pad, step, shift = sizes
    side = 2 * (reach // shift) + 1
    move, n = o // (rows * columns) % moves, o // (rows * columns * moves)
    row = o // columns % rows * step + reach - pad + k // kernel % kernel
    column = o % columns * step + reach - pad + k % kernel
    down, along = (move // side - reach // shift) * shift, (move % side - reach // shift) * shift
    one = _at(a, n, k // (kernel * kernel), row, column, channels, height, width)
    other = _at(b, n, k // (kernel * kernel), row + down, column + along, channels, height, width)
    return abs(one - other) if subtract else one * other


@summed
def _slopes(i, k, dy, a, b, sizes, subtract, moved):
    channels, height, width, moves, rows, columns, kernel, reach, pad, step, shift = sizes
    side = 2 * (reach // shift) + 1
    column, row = i % width, i // width % height
    c, n = i // (width * height) % channels, i // (width * height * channels)
    move = k // (kernel * kernel)
    down, along = (move // side - reach // shift) * shift, (move % side - reach // shift) * shift
    if moved:  # pixel i is the second factor: the first one lies where it was not moved
        row -= down
        column -= along
    y, x = row - reach + pad - k // kernel % kernel, column - reach + pad - k % kernel
    if y < 0 or x < 0 or y % step != 0 or x % step != 0 or y // step >= rows or x // step >= columns:
        return np.float32(0)
    g = dy[((n * moves + move) * rows + y // step) * columns + x // step]
    one = _at(a, n, c, row, column, channels, height, width)
    other = _at(b, n, c, row + down, column + along, channels, height, width)
    if subtract:
        return g if (one >= other) != moved else -g
    return g * one if moved else g * other


@task
def _divide(i, y, terms):
    y[i] = y[i] / np.float32(terms)
