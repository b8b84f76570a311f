"""Embed; see layers/embed.py for the definition."""

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.cpu import inner_product
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values of a chunk
_COLUMNS = 64  # of a chunk: all gradients are added up by the one thread that has their columns
_NONE = np.empty(0, np.float32)


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray) -> None:
    """y[...] = weight[x] + bias; x cut to integers."""
    rows, width = weight.shape
    grain = max(1, _GRAIN // width)
    wrong = np.full(-(-x.size // grain), -1)
    add = _NONE if bias is None else bias
    _look_up(x.size, grain, x.reshape(-1), weight.reshape(-1), add, y.reshape(-1), rows, width, wrong, grain)
    if (wrong >= 0).any():
        place = tuple(int(i) for i in np.unravel_index(wrong[wrong >= 0][0], x.shape))
        raise LabelError(
            f"index {x[place]:g} at {place} of the bottom is outside 0 to {rows - 1} (input_dim {rows}).",
            item=place[0] if place else 0,
            label=float(x[place]),
            classes=rows,
        )


@task
def _look_up(worker, lo, hi, x, weight, bias, y, rows, width, wrong, grain):
    """The items lo..hi; the first one that is no index goes into the chunk's place of `wrong`."""
    for i in range(lo, hi):
        if not -1 < x[i] < rows:
            wrong[lo // grain] = i
            return
        row, to = int(x[i]) * width, y[i * width : (i + 1) * width]
        line = weight[row : row + width]
        if bias.size:
            for j in range(width):
                to[j] = line[j] + bias[j]
        else:
            for j in range(width):
                to[j] = line[j]


def backward(dy: np.ndarray, x: np.ndarray, dweight: np.ndarray | None, dbias: np.ndarray | None, beta: float) -> None:
    """Add each gradient to its index's row, and all to the bias."""
    width = dy.shape[-1]
    lines = dy.reshape(-1, width) if dy.size else dy.reshape(0, width)
    if dweight is not None:
        if not beta:
            _clear(dweight.size, 4 * _GRAIN, dweight.reshape(-1))
        _add(width, _COLUMNS, lines.reshape(-1), x.reshape(-1), dweight.reshape(-1), width)
    if dbias is not None:
        inner_product.backward(lines, lines, lines, None, None, dbias, 1, False, beta)


@task
def _clear(worker, lo, hi, values):
    for i in range(lo, hi):
        values[i] = 0


@task
def _add(worker, lo, hi, dy, x, dweight, width):
    """The columns lo..hi of all rows."""
    for i in range(x.size):
        row = int(x[i]) * width
        to, line = dweight[row + lo : row + hi], dy[i * width + lo : i * width + hi]
        for j in range(hi - lo):
            to[j] += line[j]
