"""Column buffers for windows over maps of any number of axes: what the implicit products (correlate.py) do not cover.

columns[(c, tap), p] = map[c, pixel that `tap` of output p sees], zero outside of the map.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from caffelike.kernels.launch import task


@lru_cache(maxsize=256)
def window_table(
    size: tuple, out: tuple, kernel: tuple, stride: tuple, pad: tuple, dilation: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Per axis (row) and tap: the outputs lo <= p < hi whose pixel exists, and the pixel that output 0 would see.

    ranges[axis, tap] = (lo, hi, pixel at output 0); numbers[axis] = (map size, outputs, taps, stride).
    """
    ranges = np.zeros((len(size), max(kernel), 3), np.int64)
    for axis, (n, m, k, s, p, d) in enumerate(zip(size, out, kernel, stride, pad, dilation, strict=True)):
        for tap in range(k):
            at = tap * d - p
            lo, hi = max(0, (s - 1 - at) // s), min(m, (n - 1 - at) // s + 1)
            ranges[axis, tap] = (lo, max(lo, hi), at)
    return ranges, np.array([size, out, kernel, stride], np.int64).T.copy()


@task
def _walk(worker, lo, hi, maps, columns, ranges, numbers, gather):
    """Channels lo..hi. gather: maps = sum over the columns that saw each pixel; else columns = maps, zeros outside."""
    axes = numbers.shape[0]
    pixels, outputs, taps = 1, 1, 1
    for a in range(axes):
        pixels, outputs, taps = pixels * numbers[a, 0], outputs * numbers[a, 1], taps * numbers[a, 2]
    last = axes - 1
    width, count, stride = numbers[last, 0], numbers[last, 1], numbers[last, 3]
    for c in range(lo, hi):
        if gather:
            for i in range(pixels):
                maps[c * pixels + i] = 0
        for tap in range(taps):
            tap_x = tap % numbers[last, 2]
            x0, x1, at_x = ranges[last, tap_x, 0], ranges[last, tap_x, 1], ranges[last, tap_x, 2]
            for line in range(outputs // count):
                # the other axes' output index and tap, from the last of them to the first
                rest, rest_tap, pixel, pitch, inside = line, tap // numbers[last, 2], 0, width, True
                for back in range(1, axes):
                    a = last - back
                    o, t = rest % numbers[a, 1], rest_tap % numbers[a, 2]
                    rest, rest_tap = rest // numbers[a, 1], rest_tap // numbers[a, 2]
                    if o < ranges[a, t, 0] or o >= ranges[a, t, 1]:
                        inside = False
                    pixel += (o * numbers[a, 3] + ranges[a, t, 2]) * pitch
                    pitch *= numbers[a, 0]
                row = (c * taps + tap) * outputs + line * count
                first, end = (x0, x1) if inside else (count, count)
                there = columns[row + first : row + end]
                seen = maps[c * pixels + pixel + at_x + first * stride :] if inside else maps
                if gather:
                    for x in range(end - first):
                        seen[x * stride] += there[x]
                    continue
                if stride == 1:
                    for x in range(end - first):
                        there[x] = seen[x]
                else:
                    for x in range(end - first):
                        there[x] = seen[x * stride]
                for x in range(first):
                    columns[row + x] = 0
                for x in range(end, count):
                    columns[row + x] = 0


def to_columns(maps: np.ndarray, columns: np.ndarray, out: Sequence[int], *window: tuple) -> None:
    """Fill columns (C * taps, P) from maps (C, *size); window: kernel, stride, pad, dilation, an int per axis each."""
    tables = window_table(tuple(maps.shape[1:]), tuple(out), *window)
    _walk(maps.shape[0], 1, maps.reshape(-1), columns.reshape(-1), *tables, False)


def from_columns(columns: np.ndarray, maps: np.ndarray, out: Sequence[int], *window: tuple) -> None:
    """The transpose of to_columns: overwrite maps with the sums of the columns that saw each pixel."""
    tables = window_table(tuple(maps.shape[1:]), tuple(out), *window)
    _walk(maps.shape[0], 1, maps.reshape(-1), columns.reshape(-1), *tables, True)
