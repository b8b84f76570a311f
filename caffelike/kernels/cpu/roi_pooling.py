"""ROIPooling; see layers/roi_pooling.py for the definition."""

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task

_WORK = 1 << 14  # pixels looked at in a chunk, more or less
_BLOCK = 32  # channels that go through the regions together
_NONE = np.empty(0, np.int32)
_FLT_MAX = np.float32(np.finfo(np.float32).max)


def forward(
    x: np.ndarray,
    rois: np.ndarray,
    y: np.ndarray,
    argmax: np.ndarray | None,
    pooled_h: int,
    pooled_w: int,
    spatial_scale: float,
) -> None:
    """y (R, C, pooled_h, pooled_w); cut by regions' channels, or, where regions are many, by channels of images."""
    items, boxes = regions.read(rois, x.shape[0])
    corners = regions.rounded(boxes * np.float32(spatial_scale)).astype(np.int64)
    area, cells = x.shape[2] * x.shape[3], pooled_h * pooled_w
    if argmax is None and items.size * cells >= x.shape[0] * area:
        blocks, threads = -(-x.shape[1] // _BLOCK), get_num_threads()
        pixels, best = scratch("pixels", threads * area * _BLOCK), scratch("cells", threads * cells * _BLOCK)
        sizes = (*x.shape[1:], pooled_h, pooled_w, blocks)
        _forward_many(x.shape[0] * blocks, 1, x.reshape(-1), items, corners, y.reshape(-1), pixels, best, sizes)
        return
    grain = max(1, _WORK // max(1, x.shape[2] * x.shape[3] // 4 + pooled_h * pooled_w))
    taken = _NONE if argmax is None else argmax.reshape(-1)
    sizes = (*x.shape[1:], pooled_h, pooled_w)
    _forward(items.size * x.shape[1], grain, x.reshape(-1), items, corners, y.reshape(-1), taken, sizes)


@kernel
def _cell(index, first, last, count, size):
    """(begin, end) of a cell of an axis, cut to the image."""
    step = np.float32(max(last - first + 1, 1)) / np.float32(count)
    begin = int(np.floor(np.float32(index) * step)) + first
    end = int(np.ceil(np.float32(index + 1) * step)) + first
    return min(max(begin, 0), size), min(max(end, 0), size)


@task
def _forward(worker, lo, hi, x, items, corners, y, argmax, sizes):
    """The planes lo..hi of y."""
    channels, height, width, pooled_h, pooled_w = sizes
    for p in range(lo, hi):
        r = p // channels
        plane = (items[r] * channels + p % channels) * height * width
        x1, y1, x2, y2 = corners[4 * r], corners[4 * r + 1], corners[4 * r + 2], corners[4 * r + 3]
        for i in range(pooled_h):
            top, bottom = _cell(i, y1, y2, pooled_h, height)
            for j in range(pooled_w):
                left, right = _cell(j, x1, x2, pooled_w, width)
                best, chosen = -_FLT_MAX, -1
                for h in range(top, bottom):
                    for at in range(h * width + left, h * width + right):
                        if x[plane + at] > best:
                            best, chosen = x[plane + at], at
                to = (p * pooled_h + i) * pooled_w + j
                y[to] = best if bottom > top and right > left else np.float32(0)
                if argmax.size:
                    argmax[to] = chosen


@task
def _forward_many(worker, lo, hi, x, items, corners, y, pixels, best, sizes):
    """The blocks of channels lo..hi: laid side by side, they go through each region's pixels as vectors."""
    channels, height, width, pooled_h, pooled_w, blocks = sizes
    area, cells = height * width, pooled_h * pooled_w
    line, found = worker * area * _BLOCK, best[worker * cells * _BLOCK : (worker + 1) * cells * _BLOCK]
    for b in range(lo, hi):
        item, first = b // blocks, b % blocks * _BLOCK
        count = min(_BLOCK, channels - first)
        for c in range(count):
            plane = (item * channels + first + c) * area
            for i in range(area):
                pixels[line + i * _BLOCK + c] = x[plane + i]
        for r in range(items.size):
            if items[r] != item:
                continue
            x1, y1, x2, y2 = corners[4 * r], corners[4 * r + 1], corners[4 * r + 2], corners[4 * r + 3]
            for i in range(pooled_h):
                top, bottom = _cell(i, y1, y2, pooled_h, height)
                for j in range(pooled_w):
                    left, right = _cell(j, x1, x2, pooled_w, width)
                    cell = found[(i * pooled_w + j) * _BLOCK : (i * pooled_w + j + 1) * _BLOCK]
                    nothing = bottom <= top or right <= left
                    for c in range(_BLOCK):
                        cell[c] = np.float32(0) if nothing else -_FLT_MAX
                    for h in range(top, bottom):
                        for at in range(h * width + left, h * width + right):
                            pixel = pixels[line + at * _BLOCK : line + (at + 1) * _BLOCK]
                            for c in range(_BLOCK):
                                cell[c] = pixel[c] if pixel[c] > cell[c] else cell[c]
            for c in range(count):
                to = (r * channels + first + c) * cells
                for k in range(cells):
                    y[to + k] = found[k * _BLOCK + c]


def backward(dy: np.ndarray, rois: np.ndarray, argmax: np.ndarray, dx: np.ndarray) -> None:
    """dx; cut by images' channels, each of which goes through its regions in order."""
    items, _ = regions.read(rois, dx.shape[0])
    area, cells = dx.shape[2] * dx.shape[3], dy.shape[2] * dy.shape[3]
    grain = max(1, _WORK // max(1, area + items.size * cells))
    sizes = (dx.shape[1], area, cells)
    _backward(dx.shape[0] * dx.shape[1], grain, dy.reshape(-1), items, argmax.reshape(-1), dx.reshape(-1), sizes)


@task
def _backward(worker, lo, hi, dy, items, argmax, dx, sizes):
    """The planes lo..hi of dx."""
    channels, area, cells = sizes
    for p in range(lo, hi):
        item, plane = p // channels, p * area
        for i in range(plane, plane + area):
            dx[i] = 0
        for r in range(items.size):
            if items[r] == item:
                start = (r * channels + p % channels) * cells
                for i in range(start, start + cells):
                    if argmax[i] >= 0:
                        dx[plane + argmax[i]] += dy[i]
