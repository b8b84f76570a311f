"""MAX and AVE pooling of volumes (depth, height, width); see layers/pooling.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.windows import FLT_MAX
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

Sizes = tuple[int, ...]

_WORK = 32768  # values looked at in a chunk, more or less
_NONE = np.empty(0, np.uint8)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None,
    argmax: np.ndarray | None,
    method: str,
    window: Sizes,
    stride: Sizes,
    pad: Sizes,
    include_pad: bool,
) -> None:
    """y (N, C, *out) from x (N, C, *size)."""
    planes, size = y.shape[0] * y.shape[1], (*x.shape[2:], *y.shape[2:])
    x1, y1 = x.reshape(-1), y.reshape(-1)
    if method == "AVE":
        _mean(planes, _grain(size, window), x1, y1, size, window, stride, pad, include_pad)
        return
    if argmax is None:
        argmax = _NONE if mask is None else np.empty(y.shape, np.min_scalar_type(window[0] * window[1] * window[2]))
    _largest(planes, _grain(size, window), x1, y1, argmax.reshape(-1), size, window, stride, pad)
    if mask is not None:
        indices(argmax, mask, x.shape[2:], window, stride, pad)


def backward(
    dy: np.ndarray,
    argmax: np.ndarray | None,
    dx: np.ndarray,
    window: Sizes,
    stride: Sizes,
    pad: Sizes,
    include_pad: bool,
) -> None:
    """dx (N, C, *size) from dy (N, C, *out)."""
    planes, size = dy.shape[0] * dy.shape[1], (*dx.shape[2:], *dy.shape[2:])
    dy1, dx1 = dy.reshape(-1), dx.reshape(-1)
    if argmax is None:
        _spread(planes, _grain(size, window), dy1, dx1, size, window, stride, pad, include_pad)
    else:
        _to_argmax(planes, _grain(size, window), dy1, argmax.reshape(-1), dx1, size, window, stride, pad)


def indices(argmax: np.ndarray, mask: np.ndarray, size: Sizes, window: Sizes, stride: Sizes, pad: Sizes) -> None:
    """mask (N, C, *out): the indices in volumes of `size` of what lies at the places argmax, likewise; -1 for none."""
    out = (1, 1, *argmax.shape[2:])[-3:]
    grain = max(1, _WORK // max(1, out[0] * out[1] * out[2]))
    _indices(argmax.shape[0] * argmax.shape[1], grain, argmax.reshape(-1), mask.reshape(-1), size, out, window, stride,
             pad)  # fmt: skip


def _grain(size: Sizes, window: Sizes) -> int:
    """Planes in a chunk."""
    return max(1, _WORK // max(1, size[3] * size[4] * size[5] * window[0] * window[1] * window[2]))


@kernel
def _counted(start, length, size, pad, include_pad):
    """How many places along one axis AVE's divisor counts."""
    if include_pad:
        return min(start + length, size + pad) - start
    return min(start + length, size) - max(start, 0)


@task
def _largest(worker, lo, hi, x, y, argmax, size, window, stride, pad):
    """MAX in the planes lo..hi: the columns of a window's row one after the other, all windows of a row at once."""
    depth, height, width, out_d, out_h, out_w = size
    for p in range(lo, hi):
        plane = p * depth * height * width
        for od in range(out_d):
            front = od * stride[0] - pad[0]
            for oh in range(out_h):
                top = oh * stride[1] - pad[1]
                to = ((p * out_d + od) * out_h + oh) * out_w
                for i in range(to, to + out_w):
                    y[i] = -FLT_MAX
                    if argmax.size:
                        argmax[i] = window[0] * window[1] * window[2]
                for d in range(max(front, 0), min(front + window[0], depth)):
                    for h in range(max(top, 0), min(top + window[1], height)):
                        row = (d * height + h) * width
                        for k in range(window[2]):
                            for ow in range(out_w):
                                w = ow * stride[2] - pad[2] + k
                                if 0 <= w < width and x[plane + row + w] > y[to + ow]:
                                    y[to + ow] = x[plane + row + w]
                                    if argmax.size:
                                        argmax[to + ow] = ((d - front) * window[1] + h - top) * window[2] + k


@task
def _to_argmax(worker, lo, hi, dy, argmax, dx, size, window, stride, pad):
    """The gradients of the planes lo..hi to the values that were taken."""
    pixels, windows = size[0] * size[1] * size[2], size[3] * size[4] * size[5]
    for i in range(lo * pixels, hi * pixels):
        dx[i] = 0
    for p in range(lo, hi):
        for i in range(windows):
            taken = _index(i, argmax[p * windows + i], size[:3], size[3:], window, stride, pad)
            if taken >= 0:
                dx[p * pixels + taken] += dy[p * windows + i]


@kernel
def _index(i, taken, size, out, window, stride, pad):
    """The index in its volume of the value at place `taken` of window i; -1 for none."""
    place = np.intp(taken)
    if place == window[0] * window[1] * window[2]:
        return -1
    d = i // (out[1] * out[2]) * stride[0] - pad[0] + place // (window[1] * window[2])
    h = i // out[2] % out[1] * stride[1] - pad[1] + place // window[2] % window[1]
    w = i % out[2] * stride[2] - pad[2] + place % window[2]
    return (d * size[1] + h) * size[2] + w


@task
def _indices(worker, lo, hi, argmax, mask, size, out, window, stride, pad):
    """The indices of the planes lo..hi."""
    windows = out[0] * out[1] * out[2]
    for p in range(lo, hi):
        for i in range(windows):
            mask[p * windows + i] = _index(i, argmax[p * windows + i], size, out, window, stride, pad)


@task
def _mean(worker, lo, hi, x, y, size, window, stride, pad, include_pad):
    """AVE in the planes lo..hi."""
    depth, height, width, out_d, out_h, out_w = size
    for p in range(lo, hi):
        for od in range(out_d):
            front = od * stride[0] - pad[0]
            slices = _counted(front, window[0], depth, pad[0], include_pad)
            for oh in range(out_h):
                top = oh * stride[1] - pad[1]
                rows = _counted(top, window[1], height, pad[1], include_pad)
                for ow in range(out_w):
                    left = ow * stride[2] - pad[2]
                    columns = _counted(left, window[2], width, pad[2], include_pad)
                    total = np.float32(0)
                    for d in range(max(front, 0), min(front + window[0], depth)):
                        for h in range(max(top, 0), min(top + window[1], height)):
                            row = ((p * depth + d) * height + h) * width
                            for w in range(max(left, 0), min(left + window[2], width)):
                                total += x[row + w]
                    y[((p * out_d + od) * out_h + oh) * out_w + ow] = total / np.float32(slices * rows * columns)


@task
def _spread(worker, lo, hi, dy, dx, size, window, stride, pad, include_pad):
    """AVE's gradients of the planes lo..hi, each in equal parts to its window."""
    depth, height, width, out_d, out_h, out_w = size
    pixels = depth * height * width
    for i in range(lo * pixels, hi * pixels):
        dx[i] = 0
    for p in range(lo, hi):
        for od in range(out_d):
            front = od * stride[0] - pad[0]
            slices = _counted(front, window[0], depth, pad[0], include_pad)
            for oh in range(out_h):
                top = oh * stride[1] - pad[1]
                rows = _counted(top, window[1], height, pad[1], include_pad)
                for ow in range(out_w):
                    left = ow * stride[2] - pad[2]
                    columns = _counted(left, window[2], width, pad[2], include_pad)
                    if slices <= 0 or rows <= 0 or columns <= 0:
                        continue
                    share = dy[((p * out_d + od) * out_h + oh) * out_w + ow] / np.float32(slices * rows * columns)
                    for d in range(max(front, 0), min(front + window[0], depth)):
                        for h in range(max(top, 0), min(top + window[1], height)):
                            row = ((p * depth + d) * height + h) * width
                            for w in range(max(left, 0), min(left + window[2], width)):
                                dx[row + w] += share
