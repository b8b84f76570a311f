"""ROIAlign; see layers/roi_align.py for the definition."""

import numpy as np

from caffelike.kernels.cpu import regions
from caffelike.kernels.launch import get_num_threads, scratch, task

_WORK = 1 << 14  # products in a chunk, more or less


def forward(x: np.ndarray, rois: np.ndarray, y: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """y (R, C, pooled_h, pooled_w); cut by regions' channels."""
    sizes = (*x.shape[1:], pooled_h, pooled_w)
    items, weights, spans = _weights(rois, x.shape[0], sizes, spatial_scale)
    line = scratch("roi_align", get_num_threads() * x.shape[3])
    grain = max(1, _WORK // max(1, x.shape[2] * x.shape[3]))
    _forward(items.size * x.shape[1], grain, x.reshape(-1), items, weights, spans, y.reshape(-1), line, sizes)


def backward(
    dy: np.ndarray, rois: np.ndarray, dx: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float
) -> None:
    """dx; cut by images' channels, each of which goes through its regions in order."""
    sizes = (*dx.shape[1:], pooled_h, pooled_w)
    items, weights, spans = _weights(rois, dx.shape[0], sizes, spatial_scale)
    line = scratch("roi_align", get_num_threads() * dx.shape[3])
    _backward(dx.shape[0] * dx.shape[1], 1, dy.reshape(-1), items, weights, spans, dx.reshape(-1), line, sizes)


def _weights(rois: np.ndarray, images: int, sizes: tuple[int, ...], spatial_scale: float) -> tuple[np.ndarray, ...]:
    """Each region's item; the weights of rows (pooled_h, H), then of all regions' columns; each cell's pixels."""
    _, height, width, pooled_h, pooled_w = sizes
    items, boxes = regions.read(rois, images)
    weights = np.empty(items.size * (pooled_h * height + pooled_w * width), np.float32)
    spans = np.empty(2 * items.size * (pooled_h + pooled_w), np.int64)
    _find(items.size, 16, boxes * np.float32(spatial_scale), weights, spans, sizes, items.size * pooled_h)
    return items, weights, spans


@task
def _find(worker, lo, hi, boxes, weights, spans, sizes, rows):
    """The weights of the regions lo..hi; those of columns come behind `rows` rows."""
    _, height, width, pooled_h, pooled_w = sizes
    columns, column_spans = weights[rows * height :], spans[2 * rows :]
    for r in range(lo, hi):
        regions.mean_weights(
            boxes[4 * r + 1], boxes[4 * r + 3], pooled_h, height, weights, r * pooled_h * height, spans
        )
        regions.mean_weights(
            boxes[4 * r], boxes[4 * r + 2], pooled_w, width, columns, r * pooled_w * width, column_spans
        )


@task
def _forward(worker, lo, hi, x, items, weights, spans, y, lines, sizes):
    """The planes lo..hi of y: rows are added up into a line, which the columns' weights then go over."""
    channels, height, width, pooled_h, pooled_w = sizes
    rows = items.size * pooled_h
    line = lines[worker * width : (worker + 1) * width]
    for p in range(lo, hi):
        r = p // channels
        plane = (items[r] * channels + p % channels) * height * width
        for i in range(pooled_h):
            cell = r * pooled_h + i
            for w in range(width):
                line[w] = 0
            for h in range(spans[2 * cell], spans[2 * cell + 1]):
                weight, row = weights[cell * height + h], x[plane + h * width : plane + (h + 1) * width]
                for w in range(width):
                    line[w] += weight * row[w]
            for j in range(pooled_w):
                cell = r * pooled_w + j
                total, at = np.float32(0), rows * height + cell * width
                for w in range(spans[2 * (rows + cell)], spans[2 * (rows + cell) + 1]):
                    total += weights[at + w] * line[w]
                y[(p * pooled_h + i) * pooled_w + j] = total


@task
def _backward(worker, lo, hi, dy, items, weights, spans, dx, lines, sizes):
    """The planes lo..hi of dx."""
    channels, height, width, pooled_h, pooled_w = sizes
    rows = items.size * pooled_h
    line = lines[worker * width : (worker + 1) * width]
    for p in range(lo, hi):
        item, plane = p // channels, p * height * width
        for i in range(plane, plane + height * width):
            dx[i] = 0
        for r in range(items.size):
            if items[r] != item:
                continue
            for i in range(pooled_h):
                for w in range(width):
                    line[w] = 0
                start = ((r * channels + p % channels) * pooled_h + i) * pooled_w
                for j in range(pooled_w):
                    cell = r * pooled_w + j
                    gradient, at = dy[start + j], rows * height + cell * width
                    for w in range(spans[2 * (rows + cell)], spans[2 * (rows + cell) + 1]):
                        line[w] += weights[at + w] * gradient
                cell = r * pooled_h + i
                for h in range(spans[2 * cell], spans[2 * cell + 1]):
                    weight, row = weights[cell * height + h], dx[plane + h * width : plane + (h + 1) * width]
                    for w in range(width):
                        row[w] += weight * line[w]
