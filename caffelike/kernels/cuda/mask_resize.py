"""MaskResize; see layers/mask_resize.py for the definition.

Pixel i of `out` lies at (i + 0.5) size / out - 0.5, cut to the image: whole numbers tell the pixel before it and how
far behind it lies.
"""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task


def forward(x: Any, y: Any) -> None:
    """One thread makes one pixel of y, of four of x."""
    _forward(y.size, x.reshape(-1), y.reshape(-1), *_sizes(x, y))


def backward(dy: Any, dx: Any) -> None:
    """One thread makes one pixel of dx, of all pixels of dy that it went into."""
    _backward(dx.size, dy.reshape(-1), dx.reshape(-1), *_sizes(dx, dy))


def _sizes(x: Any, y: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(int(n) for n in tuple(x.shape)[2:]), tuple(int(n) for n in tuple(y.shape)[2:])


@device
def _between(i, size, out):
    """The pixel before place i, and the share of the one behind it."""
    place = min(max((2 * i + 1) * size - out, 0), 2 * out * (size - 1))
    return place // (2 * out), np.float32(place % (2 * out)) / np.float32(2 * out)


@device
def _reached(p, size, out):
    """Places among which are all whose pixel before or behind is p: the first, and one past the last."""
    return max(0, (p - 1) * out // size - 1), min(out, (p + 1) * out // size + 2)


@device
def _share(p, i, size, out):
    """The weight of pixel p at place i."""
    before, share = _between(i, size, out)
    return np.float32(1) - share if before == p else share if before == p - 1 else np.float32(0)


@task
def _forward(i, x, y, size, out):
    plane = i // (out[0] * out[1]) * size[0] * size[1]
    above, down = _between(i // out[1] % out[0], size[0], out[0])
    left, along = _between(i % out[1], size[1], out[1])
    right, one = min(left + 1, size[1] - 1), np.float32(1)
    top, bottom = plane + above * size[1], plane + min(above + 1, size[0] - 1) * size[1]
    west = x[top + left] * (one - down) + x[bottom + left] * down
    east = x[top + right] * (one - down) + x[bottom + right] * down
    y[i] = west * (one - along) + east * along


@task
def _backward(i, dy, dx, size, out):
    plane, h, w = i // (size[0] * size[1]), i // size[1] % size[0], i % size[1]
    total = np.float32(0)
    rows, columns = _reached(h, size[0], out[0]), _reached(w, size[1], out[1])
    for row in range(rows[0], rows[1]):
        line = np.float32(0)
        for column in range(columns[0], columns[1]):
            line += dy[(plane * out[0] + row) * out[1] + column] * _share(w, column, size[1], out[1])
        total += line * _share(h, row, size[0], out[0])
    dx[i] = total
