"""PSROIPooling; see layers/psroi_pooling.py for the definition."""

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

_WORK = 1 << 14  # pixels looked at in a chunk, more or less


def forward(x: np.ndarray, rois: np.ndarray, y: np.ndarray, group_size: int, spatial_scale: float) -> None:
    """y (R, output_dim, group_size, group_size); cut by regions' classes."""
    items, begin, step = _regions(rois, x.shape[0], group_size, spatial_scale)
    sizes = (*x.shape[1:], y.shape[1], group_size)
    grain = max(1, _WORK // max(1, x.shape[2] * x.shape[3] // 4 + group_size * group_size))
    _forward(items.size * y.shape[1], grain, x.reshape(-1), items, begin, step, y.reshape(-1), sizes)


def _regions(
    rois: np.ndarray, items: int, group: int, spatial_scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each region's item, and (x, y) where it begins and how large a cell is, one after the other."""
    item, boxes = regions.read(rois, items)
    corners = regions.rounded(boxes).reshape(-1, 4)
    begin = corners[:, :2] * np.float32(spatial_scale)
    length = np.maximum((corners[:, 2:] + 1) * np.float32(spatial_scale) - begin, np.float32(0.1))
    return item, begin.reshape(-1), (length / np.float32(group)).reshape(-1)


@kernel
def _cell(index, begin, step, size):
    """(begin, end) of a cell of an axis, cut to the image."""
    first = int(np.floor(np.float32(index) * step + begin))
    last = int(np.ceil(np.float32(index + 1) * step + begin))
    first = min(max(first, 0), size)
    return first, max(first, min(last, size))


@task
def _forward(worker, lo, hi, x, items, begin, step, y, sizes):
    """The planes lo..hi of y."""
    channels, height, width, classes, group = sizes
    for p in range(lo, hi):
        r = p // classes
        for i in range(group):
            top, bottom = _cell(i, begin[2 * r + 1], step[2 * r + 1], height)
            for j in range(group):
                left, right = _cell(j, begin[2 * r], step[2 * r], width)
                channel = (p % classes * group + i) * group + j
                plane = (items[r] * channels + channel) * height * width
                total = np.float32(0)
                for h in range(top, bottom):
                    for at in range(plane + h * width + left, plane + h * width + right):
                        total += x[at]
                pixels = (bottom - top) * (right - left)
                y[(p * group + i) * group + j] = total / np.float32(max(1, pixels))


def backward(dy: np.ndarray, rois: np.ndarray, dx: np.ndarray, group_size: int, spatial_scale: float) -> None:
    """dx; cut by images' channels, each of which goes through its regions in order."""
    items, begin, step = _regions(rois, dx.shape[0], group_size, spatial_scale)
    sizes = (*dx.shape[1:], dy.shape[1], group_size)
    grain = max(1, _WORK // max(1, dx.shape[2] * dx.shape[3] + items.size * 8))
    _backward(dx.shape[0] * dx.shape[1], grain, dy.reshape(-1), items, begin, step, dx.reshape(-1), sizes)


@task
def _backward(worker, lo, hi, dy, items, begin, step, dx, sizes):
    """The planes lo..hi of dx."""
    channels, height, width, classes, group = sizes
    for p in range(lo, hi):
        item, plane = p // channels, p * height * width
        for i in range(plane, plane + height * width):
            dx[i] = 0
        channel = p % channels
        j, i, c = channel % group, channel // group % group, channel // (group * group)
        for r in range(items.size):
            if items[r] == item:
                top, bottom = _cell(i, begin[2 * r + 1], step[2 * r + 1], height)
                left, right = _cell(j, begin[2 * r], step[2 * r], width)
                share = dy[((r * classes + c) * group + i) * group + j]
                share /= np.float32(max(1, (bottom - top) * (right - left)))
                for h in range(top, bottom):
                    for at in range(plane + h * width + left, plane + h * width + right):
                        dx[at] += share
