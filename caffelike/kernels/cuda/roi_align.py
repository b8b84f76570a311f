"""ROIAlign; see layers/roi_align.py for the definition.

The regions, five numbers each, are read on the CPU: an item that is not there must be an error, not a wild address.
"""

import math
from typing import Any

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.cuda.door import device, fill, on_device, on_host, task


def forward(x: Any, rois: Any, y: Any, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """One thread makes one cell. Waits for the regions; raises LabelError."""
    items, boxes = _regions(rois, x.shape[0], spatial_scale)
    sizes = (int(x.shape[1]), int(x.shape[2]), int(x.shape[3]), pooled_h, pooled_w)
    _forward(y.size, x.reshape(-1), items, boxes, y.reshape(-1), sizes)


def backward(dy: Any, rois: Any, dx: Any, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """Each gradient to its pixels; one thread goes through all regions of a channel, in order."""
    items, boxes = _regions(rois, dx.shape[0], spatial_scale)
    to = dx.reshape(-1)
    fill(to, 0)
    sizes = (int(dx.shape[1]), int(dx.shape[2]), int(dx.shape[3]), pooled_h, pooled_w)
    _backward(int(dx.shape[0]) * sizes[0], dy.reshape(-1), items, boxes, to, sizes)


def _regions(rois: Any, items: int, spatial_scale: float) -> tuple[Any, Any]:
    """Each region's item, and its scaled corners one after the other, on the GPU."""
    which, boxes = regions.read(on_host(rois), items)
    return on_device(which), on_device(boxes * np.float32(spatial_scale))


@device
def _axis(begin, end, count):
    """The length of a cell of an axis, and how many places it has."""
    length = end - begin
    step = (length if length > np.float32(1) else np.float32(1)) / np.float32(count)
    return step, math.ceil(step)


@device
def _between(begin, step, places, cell, place, size):
    """(pixel before, pixel behind, share of the latter, 1 or 0 for a place too far out) of a place in a cell."""
    inside = (np.float32(place) + np.float32(0.5)) * (step / np.float32(places))
    spot = begin + np.float32(cell) * step + inside
    if not (spot >= np.float32(-1) and spot <= np.float32(size)):
        return 0, 0, np.float32(0), np.float32(0)
    if spot < np.float32(0):
        spot = np.float32(0)
    if spot > np.float32(size - 1):
        spot = np.float32(size - 1)
    before = int(spot)
    return before, min(before + 1, size - 1), spot - np.float32(before), np.float32(1)


@task
def _forward(i, x, items, boxes, y, sizes):
    channels, height, width, pooled_h, pooled_w = sizes
    p = i // (pooled_h * pooled_w)
    r = p // channels
    plane = (items[r] * channels + p % channels) * height * width
    left, top = boxes[4 * r], boxes[4 * r + 1]
    down, rows = _axis(top, boxes[4 * r + 3], pooled_h)
    across, columns = _axis(left, boxes[4 * r + 2], pooled_w)
    one, total = np.float32(1), np.float32(0)
    for row in range(rows):
        h0, h1, v, there = _between(top, down, rows, i // pooled_w % pooled_h, row, height)
        line = np.float32(0)
        for column in range(columns):
            w0, w1, u, seen = _between(left, across, columns, i % pooled_w, column, width)
            above = x[plane + h0 * width + w0] * (one - u) + x[plane + h0 * width + w1] * u
            below = x[plane + h1 * width + w0] * (one - u) + x[plane + h1 * width + w1] * u
            if seen > 0:
                line += above * (one - v) + below * v
        if there > 0:
            total += line
    y[i] = total / np.float32(rows * columns)


@task
def _backward(p, dy, items, boxes, dx, sizes):
    channels, height, width, pooled_h, pooled_w = sizes
    plane, one = p * height * width, np.float32(1)
    for r in range(items.size):
        if items[r] == p // channels:
            left, top = boxes[4 * r], boxes[4 * r + 1]
            down, rows = _axis(top, boxes[4 * r + 3], pooled_h)
            across, columns = _axis(left, boxes[4 * r + 2], pooled_w)
            for cell in range(pooled_h * pooled_w):
                share = dy[(r * channels + p % channels) * pooled_h * pooled_w + cell] / np.float32(rows * columns)
                for row in range(rows):
                    h0, h1, v, there = _between(top, down, rows, cell // pooled_w, row, height)
                    for column in range(columns):
                        w0, w1, u, seen = _between(left, across, columns, cell % pooled_w, column, width)
                        g = share * there * seen
                        dx[plane + h0 * width + w0] += g * (one - v) * (one - u)
                        dx[plane + h0 * width + w1] += g * (one - v) * u
                        dx[plane + h1 * width + w0] += g * v * (one - u)
                        dx[plane + h1 * width + w1] += g * v * u
