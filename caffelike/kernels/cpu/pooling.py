"""Pooling: see layers/pooling.py for the definition."""

import numpy as np

from caffelike.kernels.cpu import average, same, stochastic, volume
from caffelike.kernels.cpu.windows import (
    FLT_MAX,
    max_gradient_1,
    max_gradient_2,
    max_gradient_tiles,
    max_plane_2,
    max_plane_3,
    max_plane_tiles,
    max_row_1,
    max_row_2,
    max_row_any,
)
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import by_hand, task
from caffelike.kernels.replay import replayable
from caffelike.kernels.vector import LANES, ask

Sizes = tuple[int, ...]

_AHEAD = 512  # how far in advance memory is asked for: rows are too short for the processor to see where they lead
_WORK = 16384  # pixels looked at in a chunk, more or less
_NONE = np.empty(0, np.uint8)


@replayable
def forward(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None,
    argmax: np.ndarray | None,
    method: str,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    key: np.ndarray | None,
    train: bool,
    include_pad: bool,
) -> None:
    """y (N, C, OH, OW) from x (N, C, H, W), or with a depth before each H and W."""
    planes = y.shape[0] * y.shape[1]
    size = (*x.shape[2:], *y.shape[2:])
    x1, y1 = x.reshape(-1), y.reshape(-1)
    if len(kernel) == 3:
        volume.forward(x, y, mask, argmax, method, kernel, stride, pad, include_pad)
        return
    if method == "AVE":
        average.forward(x1, y1, size, kernel, stride, pad, include_pad)
        return
    if argmax is None:
        argmax = _NONE if mask is None else np.empty(y.shape, np.min_scalar_type(kernel[0] * kernel[1]))
    if method == "MAX" and _same_size(size, stride):
        same.forward(x1, y1, argmax.reshape(-1), size, kernel, pad)
    elif method == "MAX" and kernel == stride == (2, 2) and pad == (0, 0) and argmax.size:
        _tiles(planes, _grain(size, kernel), x1, y1, argmax.reshape(-1), size)
    elif method == "MAX" and stride[1] == 2 and kernel[1] in (2, 3) and not argmax.size and y.size:
        _halve(planes, _grain(size, kernel), x1, y1, size, kernel, stride, pad)
    elif method == "MAX":
        _largest(planes, _grain(size, kernel), x1, y1, argmax.reshape(-1), size, kernel, stride, pad)
    else:
        by_hand()
        stochastic.forward(x1, y1, argmax.reshape(-1), size, kernel, stride, key if train else None)
    if mask is not None:
        volume.indices(argmax, mask, (1, *x.shape[2:]), (1, *kernel), (1, *stride), (0, *pad))


@replayable
def backward(
    dy: np.ndarray,
    x: np.ndarray,
    argmax: np.ndarray | None,
    dx: np.ndarray,
    method: str,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    train: bool,
    include_pad: bool,
) -> None:
    """dx (N, C, H, W) from dy (N, C, OH, OW), or with a depth before each H and W."""
    if len(kernel) == 3:
        volume.backward(dy, argmax, dx, kernel, stride, pad, include_pad)
        return
    planes = dy.shape[0] * dy.shape[1]
    size = (*dx.shape[2:], *dy.shape[2:])
    dy1, dx1 = dy.reshape(-1), dx.reshape(-1)
    if argmax is not None:
        argmax1, grain = argmax.reshape(-1), _grain(size, kernel)
        blocks = size[0] * -(-size[1] // (stride[1] * LANES))
        if _same_size(size, stride):
            same.backward(dy1, argmax1, dx1, size, kernel, pad)
        elif kernel == stride == (2, 2) and pad == (0, 0):
            _tiles_back(planes, grain, dy1, argmax1, dx1, size)
        elif stride[1] <= 2 and size[2] * size[3] > 6 * blocks:  # a block costs as much as 6 windows one by one
            _largest_back(planes, grain, dy1, argmax1, dx1, size, kernel, stride, pad)
        else:
            _to_argmax(planes, grain, dy1, argmax1, dx1, size, kernel, stride, pad)
    elif method == "AVE":
        average.backward(dy1, dx1, size, kernel, stride, pad, include_pad)
    else:
        by_hand()
        stochastic.backward(dy1, x.reshape(-1), dx1, size, kernel, stride)


def _grain(size: Sizes, kernel: Sizes) -> int:
    """Planes in a chunk."""
    looks = size[0] * size[1] + size[2] * size[3] * kernel[0] * kernel[1] // LANES
    return max(1, _WORK // max(1, looks))


def _same_size(size: Sizes, stride: Sizes) -> bool:
    """Whether windows lie on all pixels, as in inception modules."""
    return stride == (1, 1) and size[:2] == size[2:]


@task
def _largest(worker, lo, hi, x, y, argmax, size, kernel, stride, pad):
    """MAX in the planes lo..hi."""
    height, width, out_h, out_w = size
    none = kernel[0] * kernel[1]
    for p in range(lo, hi):
        plane = p * height * width
        for oh in range(out_h):
            top = oh * stride[0] - pad[0]
            begin, end = max(top, 0), min(top + kernel[0], height)
            start, to, first = plane + begin * width, (p * out_h + oh) * out_w, (begin - top) * kernel[1]
            ask(x, start + _AHEAD, stride[0] * width)
            for ow in range(0, out_w, LANES):
                column, n = ow * stride[1] - pad[1], out_w - ow
                if begin >= end:  # a window without pixels
                    for i in range(to + ow, to + min(ow + LANES, out_w)):
                        y[i] = -FLT_MAX
                        if argmax.size:
                            argmax[i] = none
                elif stride[1] == 1:
                    max_row_1(x, start, width, end - begin, column, kernel[1], 1, y, to + ow, argmax, first, none, n)
                elif stride[1] == 2:
                    max_row_2(x, start, width, end - begin, column, kernel[1], 2, y, to + ow, argmax, first, none, n)
                else:
                    max_row_any(
                        x, start, width, end - begin, column, kernel[1], stride[1], y, to + ow, argmax, first, none, n
                    )


@task
def _halve(worker, lo, hi, x, y, size, kernel, stride, pad):
    """MAX in the planes lo..hi, steps of 2 columns, windows of 2 or 3; nobody asks where."""
    height, width, out_h, out_w = size
    for p in range(lo, hi):
        at, to = p * height * width, p * out_h * out_w
        for ow in range(0, out_w, LANES):
            column, n = 2 * ow - pad[1], out_w - ow
            if kernel[1] == 3:
                max_plane_3(x, at, size[:2], column, kernel[0], pad[0], stride[0], y, to + ow, size[2:], n)
            else:
                max_plane_2(x, at, size[:2], column, kernel[0], pad[0], stride[0], y, to + ow, size[2:], n)


@task
def _to_argmax(worker, lo, hi, dy, argmax, dx, size, kernel, stride, pad):
    """The gradients of the planes lo..hi to the pixels that were taken."""
    height, width, out_h, out_w = size
    for i in range(lo * height * width, hi * height * width):
        dx[i] = 0
    for row in range(lo * out_h, hi * out_h):
        start = (row // out_h * height + row % out_h * stride[0] - pad[0]) * width - pad[1]  # of its first window
        for ow in range(out_w):
            i = row * out_w + ow
            taken = np.intp(argmax[i])
            if taken < kernel[0] * kernel[1]:
                dx[start + ow * stride[1] + taken // kernel[1] * width + taken % kernel[1]] += dy[i]


@kernel
def _windows_on(h, out_h, kernel, stride, pad):
    """The first window whose rows reach row h, and how many do."""
    begin = max(0, (h + pad - kernel) // stride + 1)
    return begin, min(out_h, (h + pad) // stride + 1) - begin


@task
def _tiles(worker, lo, hi, x, y, argmax, size):
    """MAX in windows of 2x2 pixels with steps of 2 and no pad, for the planes lo..hi."""
    height, width, out_h, out_w = size
    for p in range(lo, hi):
        ask(x, (p + 1) * height * width, height * width)
        for ow in range(0, out_w, LANES):
            to = p * out_h * out_w + ow
            max_plane_tiles(x, p * height * width, size[:2], 2 * ow, y, to, argmax, size[2:], out_w - ow)


@task
def _tiles_back(worker, lo, hi, dy, argmax, dx, size):
    """Their gradients."""
    height, width, out_h, out_w = size
    for p in range(lo, hi):
        to = p * height * width
        for ow in range(0, (width + 1) // 2, LANES):  # floor: an odd width has a column more than windows
            max_gradient_tiles(dy, p * out_h * out_w + ow, argmax, out_w - ow, dx, to, 2 * ow, size[:2], size[2:])
        for i in range(to + min(2 * out_h, height) * width, to + height * width):
            dx[i] = 0  # floor: the last row of an odd height


@task
def _largest_back(worker, lo, hi, dy, argmax, dx, size, kernel, stride, pad):
    """MAX with steps of at most 2 columns: what each pixel of the planes lo..hi collects from its windows."""
    height, width, out_h, out_w = size
    for p in range(lo, hi):
        for h in range(height):
            begin, rows = _windows_on(h, out_h, kernel[0], stride[0], pad[0])
            start, to = (p * out_h + begin) * out_w, (p * height + h) * width
            first, less = (h + pad[0] - begin * stride[0]) * kernel[1], stride[0] * kernel[1]
            ask(dx, to + _AHEAD, width)
            if h % stride[0] == 0:
                ask(dy, start + _AHEAD, out_w)
                ask(argmax, start + _AHEAD, out_w)
            if rows <= 0:
                for i in range(to, to + width):
                    dx[i] = 0
            elif stride[1] == 1:
                for q in range((width + LANES - 1) // LANES):
                    max_gradient_1(dy, start, argmax, out_w, rows, width, kernel[1], pad[1], dx, to, first, less, q)
            else:
                for q in range((width + 2 * LANES - 1) // (2 * LANES)):
                    max_gradient_2(dy, start, argmax, out_w, rows, width, kernel[1], pad[1], dx, to, first, less, q)
