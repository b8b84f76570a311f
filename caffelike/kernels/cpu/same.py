"""MAX pooling with windows around all pixels (stride 1, the top as large as the bottom), as in inception modules.

Some planes at a time are walked as if they were one long row, so that vectors are full however small the images.
"""

from functools import lru_cache

import numpy as np

from caffelike.kernels.cpu.windows import FLT_MAX, max_same
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, ask

_WORK = 2048  # pixels at a time, more or less: all that is needed of them stays in the first-level cache

Sizes = tuple[int, ...]


def forward(x: np.ndarray, y: np.ndarray, argmax: np.ndarray, size: Sizes, kernel: Sizes, pad: Sizes) -> None:
    """y and argmax (places in the window; empty: not wanted), flat, from x; size: (H, W, ...)."""
    pixels, width = size[0] * size[1], size[1]
    planes, grain = _shares(x.size, pixels)
    if kernel == (3, 3) and pad == (1, 1) and pixels:  # all of a window fits into registers
        _three(planes, grain, x, y, argmax, size[:2], _columns(*size[:2]))
        return
    numbers = np.tile(np.arange(pixels, dtype=np.int32), grain)
    columns = numbers % np.int32(width)
    best = scratch("pooling", get_num_threads() * grain * pixels)
    if argmax.size:
        places = scratch("pooling places", get_num_threads() * grain * pixels).view(np.int32)
        _forward(planes, grain, x, y, argmax, pixels, width, kernel, pad, numbers, columns, best, places)
    else:
        _values(planes, grain, x, y, pixels, width, kernel, pad, numbers, columns, best)


def backward(dy: np.ndarray, argmax: np.ndarray, dx: np.ndarray, size: Sizes, kernel: Sizes, pad: Sizes) -> None:
    """dx, flat, from dy and argmax."""
    pixels, width = size[0] * size[1], size[1]
    planes, grain = _shares(dx.size, pixels)
    _backward(planes, grain, dy, argmax, dx, pixels, width, kernel, pad)


def _shares(count: int, pixels: int) -> tuple[int, int]:
    """How many planes there are, and how many of them to take at a time."""
    return count // max(1, pixels), max(1, _WORK // max(1, pixels))


@lru_cache
def _columns(height: int, width: int) -> np.ndarray:
    """The column of each pixel, in whole vectors."""
    return np.arange(-(-height * width // LANES) * LANES, dtype=np.int32) % np.int32(width)


@task
def _three(worker, lo, hi, x, y, argmax, size, columns):
    """The planes lo..hi, windows of 3x3."""
    pixels = size[0] * size[1]
    for p in range(lo, hi):
        ask(x, (p + 1) * pixels, pixels)
        max_same(x, p * pixels, size, columns, y, argmax)


@task
def _forward(worker, lo, hi, x, y, argmax, pixels, width, kernel, pad, numbers, columns, best, places):
    """The planes lo..hi: each column's largest of kernel[0] rows, then the largest of kernel[1] columns."""
    count = (hi - lo) * pixels
    x, y, argmax = x[lo * pixels : hi * pixels], y[lo * pixels : hi * pixels], argmax[lo * pixels : hi * pixels]
    ask(x, 0, count)
    ask(y, 0, count)
    ask(argmax, 0, count)
    begin = worker * numbers.size
    best, places = best[begin : begin + count], places[begin : begin + count]
    for i in range(count):
        best[i] = y[i] = -FLT_MAX
    for i in range(count):
        places[i] = kernel[0]
    for i in range(count):
        argmax[i] = kernel[0] * kernel[1]
    for k in range(kernel[0]):
        shift = (k - pad[0]) * width
        first, n = max(0, -shift), count - abs(shift)
        here, number, top, place = x[first + shift :], numbers[first:], best[first:], places[first:]
        for i in range(n):
            value, at = top[i], place[i]
            inside = np.uint32(number[i] + np.int32(shift)) < np.uint32(pixels)
            if inside and here[i] > value:
                value, at = here[i], np.int32(k)
            top[i], place[i] = value, at
    for k in range(kernel[1]):
        shift = k - pad[1]
        first, n = max(0, -shift), count - abs(shift)
        here, place, column = best[first + shift :], places[first + shift :], columns[first:]
        top, chosen = y[first:], argmax[first:]
        for i in range(n):
            value, at, other = top[i], np.int32(chosen[i]), here[i]
            there = np.int32(place[i] * np.int32(kernel[1]) + np.int32(k))
            inside = np.uint32(column[i] + np.int32(shift)) < np.uint32(width)
            # of equals the first pixel, row by row
            if inside and (other > value or (other == value and there < at)):
                value, at = other, there
            top[i], chosen[i] = value, at


@task
def _values(worker, lo, hi, x, y, pixels, width, kernel, pad, numbers, columns, best):
    """As `_forward`, without telling where the values were found."""
    count = (hi - lo) * pixels
    x, y = x[lo * pixels : hi * pixels], y[lo * pixels : hi * pixels]
    ask(x, 0, count)
    ask(y, 0, count)
    best = best[worker * numbers.size : worker * numbers.size + count]
    for i in range(count):
        best[i] = y[i] = -FLT_MAX
    for k in range(kernel[0]):
        shift = (k - pad[0]) * width
        first, n = max(0, -shift), count - abs(shift)
        here, number, top = x[first + shift :], numbers[first:], best[first:]
        for i in range(n):
            value, inside = top[i], np.uint32(number[i] + np.int32(shift)) < np.uint32(pixels)
            top[i] = here[i] if inside and here[i] > value else value
    for k in range(kernel[1]):
        shift = k - pad[1]
        first, n = max(0, -shift), count - abs(shift)
        here, column, top = best[first + shift :], columns[first:], y[first:]
        for i in range(n):
            value, inside = top[i], np.uint32(column[i] + np.int32(shift)) < np.uint32(width)
            top[i] = here[i] if inside and here[i] > value else value


@task
def _backward(worker, lo, hi, dy, argmax, dx, pixels, width, kernel, pad):
    """What each pixel of the planes lo..hi collects from the windows around it, window by window in their order."""
    count, zero = (hi - lo) * pixels, np.float32(0)
    dy, argmax, dx = dy[lo * pixels : hi * pixels], argmax[lo * pixels : hi * pixels], dx[lo * pixels : hi * pixels]
    ask(dy, 0, count)
    ask(argmax, 0, count)
    ask(dx, 0, count)
    for i in range(count):
        dx[i] = zero
    for k in range(kernel[0] * kernel[1] - 1, -1, -1):
        shift = (pad[0] - k // kernel[1]) * width + pad[1] - k % kernel[1]  # from the pixel to the window
        first, n = max(0, -shift), count - abs(shift)
        gradient, place, total, own = dy[first + shift :], argmax[first + shift :], dx[first:], np.int32(k)
        for i in range(n):
            share = gradient[i]
            total[i] += share if np.int32(place[i]) == own else zero
