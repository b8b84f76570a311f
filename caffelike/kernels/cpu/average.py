"""AVE pooling; see layers/pooling.py for the definition. Sums of columns come first, then those of neighbours."""

import numpy as np

from caffelike.kernels.cpu.sums import total
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import ask

_WORK = 16384  # pixels in a chunk, more or less
_AHEAD = 512  # see pooling.py

Sizes = tuple[int, ...]


def forward(
    x: np.ndarray, y: np.ndarray, size: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, include_pad: bool = True
) -> None:
    """y, flat, from x; size: (H, W, OH, OW). include_pad: count the pad (up to its end) among a window's pixels."""
    pixels = size[0] * size[1]
    planes, grain = x.size // max(1, pixels), max(1, _WORK // max(1, pixels))
    if kernel == size[:2] and size[2:] == (1, 1) and pad == (0, 0):
        _whole(planes, grain, x, y, pixels)
    else:
        room = _line(size, kernel, stride, pad)
        lines = scratch("pooling", get_num_threads() * room)
        _forward(planes, grain, x, y, size, kernel, stride, pad, include_pad, lines, room)


def backward(
    dy: np.ndarray, dx: np.ndarray, size: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, include_pad: bool = True
) -> None:
    """dx, flat, from dy."""
    pixels = size[0] * size[1]
    planes, grain = dx.size // max(1, pixels), max(1, _WORK // max(1, pixels))
    room = _line(size, kernel, stride, pad)
    lines = scratch("pooling", get_num_threads() * room)
    _backward(planes, grain, dy, dx, size, kernel, stride, pad, include_pad, lines, room)


def _line(size: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes) -> int:
    """Length of a row with its pad, and as far as the last window reaches."""
    return max(pad[1] + size[1], (size[3] - 1) * stride[1] + kernel[1])


@kernel
def _counted(start, length, size, pad, include_pad):
    """How many pixels along one axis a window's divisor counts: with its part of the pad, or without."""
    if include_pad:
        return min(start + length, size + pad) - start
    return min(start + length, size) - max(start, 0)


@task
def _whole(worker, lo, hi, x, y, pixels):
    """Windows that are whole planes, lo..hi."""
    for p in range(lo, hi):
        y[p] = total(x[p * pixels : (p + 1) * pixels]) / np.float32(pixels)


@task
def _forward(worker, lo, hi, x, y, size, kernel, stride, pad, include_pad, lines, room):
    """The planes lo..hi. lines: `room` numbers for each worker."""
    height, width, out_h, out_w = size
    line = lines[worker * room : (worker + 1) * room]
    middle = line[pad[1] : pad[1] + width]
    for p in range(lo, hi):
        for oh in range(out_h):
            top = oh * stride[0] - pad[0]
            rows = _counted(top, kernel[0], height, pad[0], include_pad)
            line[:] = 0
            for h in range(max(top, 0), min(top + kernel[0], height)):
                row = x[(p * height + h) * width : (p * height + h + 1) * width]
                ask(x, (p * height + h + stride[0]) * width + _AHEAD, width)
                for w in range(width):
                    middle[w] += row[w]
            out = y[(p * out_h + oh) * out_w : (p * out_h + oh + 1) * out_w]
            for ow in range(out_w):
                left = ow * stride[1]
                columns = _counted(left - pad[1], kernel[1], width, pad[1], include_pad)
                result = np.float32(0)
                for w in range(left, left + kernel[1]):
                    result += line[w]
                out[ow] = result / np.float32(rows * columns)


@task
def _backward(worker, lo, hi, dy, dx, size, kernel, stride, pad, include_pad, lines, room):
    """The planes lo..hi: each gradient in equal parts to its window. lines: `room` numbers for each worker."""
    height, width, out_h, out_w = size
    line = lines[worker * room : (worker + 1) * room]
    middle = line[pad[1] : pad[1] + width]
    for p in range(lo, hi):
        ask(dx, (p + 1) * height * width, height * width)
        plane = dx[p * height * width : (p + 1) * height * width]
        for i in range(height * width):
            plane[i] = 0
        for oh in range(out_h):
            top = oh * stride[0] - pad[0]
            rows = _counted(top, kernel[0], height, pad[0], include_pad)
            if rows <= 0:
                continue
            line[:] = 0
            for ow in range(out_w):
                left = ow * stride[1]
                columns = _counted(left - pad[1], kernel[1], width, pad[1], include_pad)
                if columns > 0:
                    share = dy[(p * out_h + oh) * out_w + ow] / np.float32(rows * columns)
                    for w in range(left, left + kernel[1]):
                        line[w] += share
            for h in range(max(top, 0), min(top + kernel[0], height)):
                row = plane[h * width : (h + 1) * width]
                for w in range(width):
                    row[w] += middle[w]
