"""ROIWarping; see layers/roi_warping.py for the definition.

The regions, five numbers each, are read on the CPU: an item that is not there must be an error, not a wild address.
The places of their cells are worked out there, too, so that no rounding differs.
"""

from typing import Any

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.cuda.door import device, fill, on_device, on_host, task
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, rois: Any, y: Any, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """One thread makes one cell. Waits for the regions; raises LabelError."""
    sizes = (int(x.shape[1]), int(x.shape[2]), int(x.shape[3]), pooled_h, pooled_w)
    _forward(y.size, x.reshape(-1), *_places(rois, x.shape[0], sizes, spatial_scale), y.reshape(-1), sizes)


def backward(
    dy: Any,
    x: Any,
    rois: Any,
    dx: Any,
    drois: Any,
    pooled_h: int,
    pooled_w: int,
    spatial_scale: float,
) -> None:
    """dx: one thread goes through all regions of a channel, in order. drois: a sum for each corner."""
    sizes = (int(x.shape[1]), int(x.shape[2]), int(x.shape[3]), pooled_h, pooled_w)
    places, g = _places(rois, x.shape[0], sizes, spatial_scale), dy.reshape(-1)
    if dx is not None:
        to = dx.reshape(-1)
        fill(to, 0)
        _to_image(int(x.shape[0]) * sizes[0], g, *places, to, sizes)
    if drois is not None:
        terms = sizes[0] * pooled_h * pooled_w
        _to_corners(drois.size, terms, drois.reshape(-1), 0, g, x.reshape(-1), *places, sizes, spatial_scale)


def _places(rois: Any, items: int, sizes: tuple[int, ...], scale: float) -> tuple[Any, Any, Any]:
    """Each region's item, and where its rows (R, pooled_h) and columns (R, pooled_w) lie, flat, on the GPU."""
    which, boxes = regions.read(on_host(rois), items)
    corners = regions.rounded(boxes * np.float32(scale)).reshape(-1, 4)
    found = []
    for first, count in ((1, sizes[3]), (0, sizes[4])):
        begin, end = corners[:, first, None], corners[:, first + 2, None]
        step = np.maximum(end - begin, np.float32(0)) / np.float32(count)
        found.append(on_device((begin + np.arange(count, dtype=np.float32) * step).reshape(-1)))
    return on_device(which), found[0], found[1]


@device
def _between(place, size):
    """(pixel before, pixel behind, share of the latter, 1 or 0 for a place too far out)."""
    if not (place >= np.float32(-0.5) and place <= np.float32(size - 1) + np.float32(0.5)):
        return 0, 0, np.float32(0), np.float32(0)
    if place < np.float32(0):
        place = np.float32(0)
    if place > np.float32(size - 1):
        place = np.float32(size - 1)
    before = int(place)
    return before, min(before + 1, size - 1), place - np.float32(before), np.float32(1)


@device
def _slope(place, size):
    """The pixels whose difference is the derivative by the place, and 1 or 0 where there is none."""
    if not (place >= np.float32(-0.5) and place < np.float32(size - 1)):
        return 0, 0, np.float32(0)
    before = int(place) if place > np.float32(0) else 0
    return before, min(before + 1, size - 1), np.float32(1)


@task
def _forward(i, x, items, rows, columns, y, sizes):
    channels, height, width, pooled_h, pooled_w = sizes
    p = i // (pooled_h * pooled_w)
    r = p // channels
    plane, one = (items[r] * channels + p % channels) * height * width, np.float32(1)
    h0, h1, v, there = _between(rows[r * pooled_h + i // pooled_w % pooled_h], height)
    w0, w1, u, seen = _between(columns[r * pooled_w + i % pooled_w], width)
    above = x[plane + h0 * width + w0] * (one - u) + x[plane + h0 * width + w1] * u
    below = x[plane + h1 * width + w0] * (one - u) + x[plane + h1 * width + w1] * u
    y[i] = above * (one - v) + below * v if there > 0 and seen > 0 else np.float32(0)


@task
def _to_image(p, dy, items, rows, columns, dx, sizes):
    channels, height, width, pooled_h, pooled_w = sizes
    plane, one, cells = p * height * width, np.float32(1), pooled_h * pooled_w
    for r in range(items.size):
        if items[r] == p // channels:
            for cell in range(cells):
                h0, h1, v, there = _between(rows[r * pooled_h + cell // pooled_w], height)
                w0, w1, u, seen = _between(columns[r * pooled_w + cell % pooled_w], width)
                g = dy[(r * channels + p % channels) * cells + cell] * there * seen
                dx[plane + h0 * width + w0] += g * (one - v) * (one - u)
                dx[plane + h0 * width + w1] += g * (one - v) * u
                dx[plane + h1 * width + w0] += g * v * (one - u)
                dx[plane + h1 * width + w1] += g * v * u


@summed
def _to_corners(o, k, dy, x, items, rows, columns, sizes, scale):
    """What a number of dy adds to the gradient of number o % 5 (item, x1, y1, x2, y2) of region o // 5."""
    channels, height, width, pooled_h, pooled_w = sizes
    r, which, one = o // 5, o % 5, np.float32(1)
    if which == 0:
        return np.float32(0)
    c, i, j = k // (pooled_h * pooled_w), k // pooled_w % pooled_h, k % pooled_w
    plane = (items[r] * channels + c) * height * width
    row, column = rows[r * pooled_h + i], columns[r * pooled_w + j]
    if which % 2 == 1:
        share = np.float32(j) / np.float32(pooled_w)
        w0, w1, there = _slope(column, width)
        h0, h1, part, seen = _between(row, height)
        first = x[plane + h0 * width + w1] - x[plane + h0 * width + w0]
        second = x[plane + h1 * width + w1] - x[plane + h1 * width + w0]
    else:
        share = np.float32(i) / np.float32(pooled_h)
        h0, h1, there = _slope(row, height)
        w0, w1, part, seen = _between(column, width)
        first = x[plane + h1 * width + w0] - x[plane + h0 * width + w0]
        second = x[plane + h1 * width + w1] - x[plane + h0 * width + w1]
    slope = (first * (one - part) + second * part) * (there * seen)
    return (
        dy[(r * channels + c) * pooled_h * pooled_w + i * pooled_w + j]
        * slope
        * (scale * (share if which > 2 else one - share))
    )
