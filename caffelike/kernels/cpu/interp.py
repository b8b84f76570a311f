"""Interp; see layers/interp.py for the definition. Rows are mixed as a whole, pixels within the mixed row."""

import numpy as np

from caffelike.kernels.launch import get_num_threads, scratch, task

_GRAIN = 1 << 14  # values of y in a chunk, more or less


def forward(x: np.ndarray, y: np.ndarray, crop: tuple[int, int]) -> None:
    """y from x without its crop's rows and columns."""
    _run(_forward, x, y, crop)


def backward(dy: np.ndarray, dx: np.ndarray, crop: tuple[int, int]) -> None:
    """dx from dy."""
    _run(_backward, dx, dy, crop)


def _run(work, small: np.ndarray, large: np.ndarray, crop: tuple[int, int]) -> None:
    planes, size = small.shape[0] * small.shape[1], (*small.shape[2:], *large.shape[2:])
    rows = _between(size[0] - sum(crop), size[2], crop[0])
    columns = _between(size[1] - sum(crop), size[3], crop[0])
    lines = scratch("interp", get_num_threads() * size[1])
    work(
        planes, max(1, _GRAIN // (size[2] * size[3])), small.reshape(-1), large.reshape(-1), size, rows, columns, lines
    )


def _between(size: int, out: int, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `out` places: the pixels before and behind it of `size` from `first`, and the share of the latter."""
    step = (size - 1) / (out - 1) if out > 1 else 0.0
    place = np.arange(out) * step
    before = np.minimum(place.astype(np.int64), size - 1)
    behind = np.minimum(before + 1, size - 1)
    return before + first, behind + first, (place - before).astype(np.float32)


@task
def _forward(worker, lo, hi, x, y, size, rows, columns, lines):
    """The planes lo..hi."""
    height, width, out_h, out_w = size
    above, below, down = rows
    left, right, along = columns
    line, one = lines[worker * width : (worker + 1) * width], np.float32(1)
    for p in range(lo, hi):
        for i in range(out_h):
            share = down[i]
            rest = one - share
            upper = x[(p * height + above[i]) * width : (p * height + above[i] + 1) * width]
            lower = x[(p * height + below[i]) * width : (p * height + below[i] + 1) * width]
            for j in range(width):
                line[j] = upper[j] * rest + lower[j] * share
            out = y[(p * out_h + i) * out_w : (p * out_h + i + 1) * out_w]
            for j in range(out_w):
                out[j] = line[left[j]] * (one - along[j]) + line[right[j]] * along[j]


@task
def _backward(worker, lo, hi, dx, dy, size, rows, columns, lines):
    """The planes lo..hi."""
    height, width, out_h, out_w = size
    above, below, down = rows
    left, right, along = columns
    line, one = lines[worker * width : (worker + 1) * width], np.float32(1)
    for p in range(lo, hi):
        plane = dx[p * height * width : (p + 1) * height * width]
        for j in range(height * width):
            plane[j] = 0
        for i in range(out_h):
            for j in range(width):
                line[j] = 0
            row = dy[(p * out_h + i) * out_w : (p * out_h + i + 1) * out_w]
            for j in range(out_w):
                line[left[j]] += row[j] * (one - along[j])
                line[right[j]] += row[j] * along[j]
            share = down[i]
            rest = one - share
            upper = plane[above[i] * width : (above[i] + 1) * width]
            for j in range(width):
                upper[j] += line[j] * rest
            lower = plane[below[i] * width : (below[i] + 1) * width]
            for j in range(width):
                lower[j] += line[j] * share
