"""ROIPooling; see layers/roi_pooling.py for the definition.

The regions, five numbers each, are read on the CPU: an item that is not there must be an error, not a wild address.
"""

import math
from typing import Any

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.cuda.door import device, empty, fill, on_device, on_host, task
from caffelike.kernels.cuda.scalar import LARGEST


def forward(x: Any, rois: Any, y: Any, argmax: Any, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """y (R, C, pooled_h, pooled_w) = the largest value of each cell. Waits for the regions; raises LabelError."""
    items, boxes = regions.read(on_host(rois), x.shape[0])
    corners = regions.rounded(boxes * np.float32(spatial_scale)).astype(np.int64)
    taken = empty(y.size, np.int32) if argmax is None else argmax.reshape(-1)
    sizes = (int(x.shape[1]), int(x.shape[2]), int(x.shape[3]), pooled_h, pooled_w)
    _forward(y.size, x.reshape(-1), on_device(items), on_device(corners), y.reshape(-1), taken, sizes)


def backward(dy: Any, rois: Any, argmax: Any, dx: Any) -> None:
    """Each gradient to the value taken; one thread goes through all regions of a channel, in order."""
    items, _ = regions.read(on_host(rois), dx.shape[0])
    to = dx.reshape(-1)
    fill(to, 0)
    channels, area, cells = int(dx.shape[1]), int(dx.shape[2] * dx.shape[3]), int(dy.shape[2] * dy.shape[3])
    planes = int(dx.shape[0]) * channels
    _backward(planes, dy.reshape(-1), on_device(items), argmax.reshape(-1), to, channels, area, cells)


@device
def _cell(index, first, last, count, size):
    """(begin, end) of a cell of an axis, cut to the image."""
    step = np.float32(max(last - first + 1, 1)) / np.float32(count)
    begin = math.floor(np.float32(index) * step) + first
    end = math.ceil(np.float32(index + 1) * step) + first
    return min(max(begin, 0), size), min(max(end, 0), size)


@task
def _forward(i, x, items, corners, y, argmax, sizes):
    channels, height, width, pooled_h, pooled_w = sizes
    p = i // (pooled_h * pooled_w)
    r = p // channels
    plane = (items[r] * channels + p % channels) * height * width
    left, right = _cell(i % pooled_w, corners[4 * r], corners[4 * r + 2], pooled_w, width)
    top, bottom = _cell(i // pooled_w % pooled_h, corners[4 * r + 1], corners[4 * r + 3], pooled_h, height)
    best, chosen = -LARGEST, -1
    for h in range(top, bottom):
        for at in range(h * width + left, h * width + right):
            if x[plane + at] > best:
                best, chosen = x[plane + at], at
    y[i] = best if bottom > top and right > left else np.float32(0)
    argmax[i] = chosen


@task
def _backward(p, dy, items, argmax, dx, channels, area, cells):
    for r in range(items.size):
        if items[r] == p // channels:
            start = (r * channels + p % channels) * cells
            for i in range(start, start + cells):
                if argmax[i] >= 0:
                    dx[p * area + argmax[i]] += dy[i]
