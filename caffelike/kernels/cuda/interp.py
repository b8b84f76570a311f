"""Interp; see layers/interp.py for the definition.

Pixel i of `out` lies at i (size - 1) / (out - 1): whole numbers tell the pixel before it and how far behind it lies.
"""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task

Sizes = tuple[int, ...]


def forward(x: Any, y: Any, crop: tuple[int, int]) -> None:
    """One thread makes one pixel of y, of four of x."""
    _forward(y.size, x.reshape(-1), y.reshape(-1), *_sizes(x, y, crop))


def backward(dy: Any, dx: Any, crop: tuple[int, int]) -> None:
    """One thread makes one pixel of dx, of all pixels of dy that it went into."""
    _backward(dx.size, dy.reshape(-1), dx.reshape(-1), *_sizes(dx, dy, crop))


def _sizes(x: Any, y: Any, crop: tuple[int, int]) -> tuple[Sizes, Sizes, Sizes, int]:
    """Of x, of its part that counts, and of y; where that part begins."""
    whole, out = tuple(int(n) for n in tuple(x.shape)[2:]), tuple(int(n) for n in tuple(y.shape)[2:])
    return whole, tuple(n - sum(crop) for n in whole), out, int(crop[0])


@device
def _between(i, size, out):
    """The pixel before place i, and the share of the one behind it."""
    gaps = out - 1 if out > 1 else 1
    place = i * (size - 1)
    return place // gaps, np.float32(place % gaps) / np.float32(gaps)


@device
def _reached(p, size, out):
    """The places whose pixel before or behind is p: the first, and one past the last."""
    gaps = out - 1 if out > 1 else 1
    if size == 1:
        return 0, out
    return max(0, -((1 - p) * gaps // (size - 1))), min(out, ((p + 1) * gaps - 1) // (size - 1) + 1)


@device
def _share(p, i, size, out):
    """The weight of pixel p at place i."""
    before, share = _between(i, size, out)
    return np.float32(1) - share if before == p else share if before == p - 1 else np.float32(0)


@task
def _forward(i, x, y, whole, inside, out, start):
    plane = i // (out[0] * out[1])
    above, down = _between(i // out[1] % out[0], inside[0], out[0])
    left, along = _between(i % out[1], inside[1], out[1])
    below, right = min(above + 1, inside[0] - 1), min(left + 1, inside[1] - 1)
    first = (plane * whole[0] + start) * whole[1] + start
    one, top, bottom = np.float32(1), first + above * whole[1], first + below * whole[1]
    west = x[top + left] * (one - down) + x[bottom + left] * down
    east = x[top + right] * (one - down) + x[bottom + right] * down
    y[i] = west * (one - along) + east * along


@task
def _backward(i, dy, dx, whole, inside, out, start):
    plane, h, w = i // (whole[0] * whole[1]), i // whole[1] % whole[0] - start, i % whole[1] - start
    total = np.float32(0)
    if h >= 0 and w >= 0 and h < inside[0] and w < inside[1]:
        rows, columns = _reached(h, inside[0], out[0]), _reached(w, inside[1], out[1])
        for row in range(rows[0], rows[1]):
            line = np.float32(0)
            for column in range(columns[0], columns[1]):
                line += dy[(plane * out[0] + row) * out[1] + column] * _share(w, column, inside[1], out[1])
            total += line * _share(h, row, inside[0], out[0])
    dx[i] = total
