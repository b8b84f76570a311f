"""PSROIPooling; see layers/psroi_pooling.py for the definition.

The regions, five numbers each, are read on the CPU: an item that is not there must be an error, not a wild address.
The cells are cut there, too, so that no rounding differs.
"""

from typing import Any

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.cuda.door import fill, on_device, on_host, task


def forward(x: Any, rois: Any, y: Any, group_size: int, spatial_scale: float) -> None:
    """One thread makes the mean of one cell. Waits for the regions; raises LabelError."""
    items, spans = _cells(rois, x.shape, group_size, spatial_scale)
    sizes = (int(x.shape[1]), int(x.shape[2]), int(x.shape[3]), int(y.shape[1]), group_size)
    _forward(y.size, x.reshape(-1), items, spans, y.reshape(-1), sizes)


def backward(dy: Any, rois: Any, dx: Any, group_size: int, spatial_scale: float) -> None:
    """Each gradient in equal parts to its cell; one thread goes through all regions of a channel, in order."""
    items, spans = _cells(rois, dx.shape, group_size, spatial_scale)
    to = dx.reshape(-1)
    fill(to, 0)
    sizes = (int(dx.shape[1]), int(dx.shape[2]), int(dx.shape[3]), int(dy.shape[1]), group_size)
    _backward(int(dx.shape[0]) * sizes[0], dy.reshape(-1), items, spans, to, sizes)


def _cells(rois: Any, shape: tuple[int, ...], group: int, scale: float) -> tuple[Any, Any]:
    """Each region's item, and (R, 2, group, 2): along x and y, where each cell begins and ends; on the GPU."""
    items, boxes = regions.read(on_host(rois), shape[0])
    corners = regions.rounded(boxes).reshape(-1, 4)
    begin = corners[:, :2] * np.float32(scale)
    step = np.maximum((corners[:, 2:] + 1) * np.float32(scale) - begin, np.float32(0.1)) / np.float32(group)
    index, size = np.arange(group, dtype=np.float32), np.array([[shape[3]], [shape[2]]])
    low = np.floor(index * step[..., None] + begin[..., None])
    high = np.ceil((index + np.float32(1)) * step[..., None] + begin[..., None])
    low, high = (np.clip(edge, 0, size) for edge in (low, high))
    return on_device(items), on_device(np.stack([low, np.maximum(low, high)], axis=-1).astype(np.int64).reshape(-1))


@task
def _forward(k, x, items, spans, y, sizes):
    channels, height, width, classes, group = sizes
    j, i, c, r = k % group, k // group % group, k // (group * group) % classes, k // (group * group * classes)
    across, down = 2 * (2 * r * group + j), 2 * ((2 * r + 1) * group + i)
    plane = (items[r] * channels + (c * group + i) * group + j) * height * width
    total = np.float32(0)
    for h in range(spans[down], spans[down + 1]):
        for at in range(plane + h * width + spans[across], plane + h * width + spans[across + 1]):
            total += x[at]
    pixels = (spans[down + 1] - spans[down]) * (spans[across + 1] - spans[across])
    y[k] = total / np.float32(max(1, pixels))


@task
def _backward(p, dy, items, spans, dx, sizes):
    channels, height, width, classes, group = sizes
    plane, cells = p * height * width, group * group
    j, i, c = p % channels % group, p % channels // group % group, p % channels // cells
    for r in range(items.size):
        if items[r] == p // channels:
            across, down = 2 * (2 * r * group + j), 2 * ((2 * r + 1) * group + i)
            pixels = (spans[down + 1] - spans[down]) * (spans[across + 1] - spans[across])
            share = dy[((r * classes + c) * group + i) * group + j] / np.float32(max(1, pixels))
            for h in range(spans[down], spans[down + 1]):
                for at in range(plane + h * width + spans[across], plane + h * width + spans[across + 1]):
                    dx[at] += share
