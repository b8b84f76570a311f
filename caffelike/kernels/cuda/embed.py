"""Embed; see layers/embed.py for the definition."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.cuda.door import download, empty, fill, on_host, task
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, weight: Any, bias: Any, y: Any) -> None:
    """y[...] = weight[x] + bias; x cut to integers. Waits for the indices' check; raises LabelError."""
    rows, width = int(weight.shape[0]), int(weight.shape[1])
    flat, wrong, count = x.reshape(-1), empty(1), np.empty(1, np.float32)
    _wrong(1, x.size, wrong, 0, flat, rows)
    download(wrong, count)
    if count[0]:
        values = on_host(x)
        place = tuple(int(i) for i in np.argwhere(~((values > -1) & (values < rows)))[0])
        raise LabelError(
            f"index {values[place]:g} at {place} of the bottom is outside 0 to {rows - 1} (input_dim {rows}).",
            item=place[0] if place else 0,
            label=float(values[place]),
            classes=rows,
        )
    lines = weight.reshape(-1)
    _look_up(y.size, flat, lines, lines if bias is None else bias.reshape(-1), y.reshape(-1), width, bias is not None)


def backward(dy: Any, x: Any, dweight: Any, dbias: Any, beta: float) -> None:
    """Add each gradient to its index's row; one thread goes through all indices for a column, in order."""
    width = int(dy.shape[dy.ndim - 1])
    g, indices = dy.reshape(-1), x.reshape(-1)
    if dweight is not None:
        to = dweight.reshape(-1)
        if not beta:
            fill(to, 0)
        _add(width, g, indices, to, width)
    if dbias is not None:
        _columns(width, x.size, dbias.reshape(-1), beta, g, width)


@summed
def _wrong(o, i, x, rows):
    return np.float32(0) if x[i] > np.float32(-1) and x[i] < np.float32(rows) else np.float32(1)


@task
def _look_up(i, x, weight, bias, y, width, biased):
    column = i % width
    value = weight[int(x[i // width]) * width + column]
    y[i] = value + bias[column] if biased else value


@task
def _add(column, dy, x, dweight, width):
    for m in range(x.size):
        dweight[int(x[m]) * width + column] += dy[m * width + column]


@summed
def _columns(column, m, dy, width):
    return dy[m * width + column]
