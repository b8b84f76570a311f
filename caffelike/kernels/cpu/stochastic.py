"""STOCHASTIC pooling; see layers/pooling.py for the definition. There is no pad."""

import numpy as np

from caffelike.kernels.cpu.philox import UNITS, philox
from caffelike.kernels.launch import task

_FLT_MIN = np.finfo(np.float32).tiny
_GRAIN = 256  # windows in a chunk: a multiple of 4, so that it begins with a block of random numbers


def forward(
    x: np.ndarray,
    y: np.ndarray,
    argmax: np.ndarray,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    key: np.ndarray | None,
) -> None:
    """y and argmax (empty: not wanted), flat, from x; size: (H, W, OH, OW). Without a key: what testing computes."""
    if key is None:
        _expect(y.size, _GRAIN, x, y, size, kernel, stride)
        argmax[...] = kernel[0] * kernel[1]
    else:
        _draw(y.size, _GRAIN, x, y, argmax, size, kernel, stride, key)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    dx: np.ndarray,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
) -> None:
    """dx, flat, of what testing computes."""
    _expect_back(dx.size // (size[0] * size[1]), 1, dy, x, dx, size, kernel, stride)


@task
def _draw(worker, lo, hi, x, y, argmax, size, kernel, stride, key):
    """A pixel of each of the windows lo..hi, with the probability of its share in their sum."""
    height, width, out_h, out_w = size
    none = kernel[0] * kernel[1]
    bits = np.empty(_GRAIN, np.uint32)
    philox(key, lo // 4, (hi - lo + 3) // 4, bits)
    for i in range(lo, hi):
        p, oh, ow = i // (out_h * out_w), i // out_w % out_h, i % out_w
        top, left = oh * stride[0], ow * stride[1]
        bottom, right = min(top + kernel[0], height), min(left + kernel[1], width)
        total = np.float32(0)
        for h in range(top, bottom):
            for w in range(left, right):
                total += x[(p * height + h) * width + w]
        threshold = np.float32(bits[i - lo] >> np.uint32(8)) * UNITS * total
        total, value, taken = np.float32(0), np.float32(0), none
        for h in range(top, bottom):
            for w in range(left, right):
                here = x[(p * height + h) * width + w]
                total += here
                if taken == none and total >= threshold:
                    value, taken = here, (h - top) * kernel[1] + w - left
        y[i] = value
        if argmax.size:
            argmax[i] = taken


@task
def _expect(worker, lo, hi, x, y, size, kernel, stride):
    """The mean of the windows lo..hi, weighted by itself."""
    height, width, out_h, out_w = size
    for i in range(lo, hi):
        p, oh, ow = i // (out_h * out_w), i // out_w % out_h, i % out_w
        top, left = oh * stride[0], ow * stride[1]
        total, squares = _FLT_MIN, np.float32(0)
        for h in range(top, min(top + kernel[0], height)):
            for w in range(left, min(left + kernel[1], width)):
                here = x[(p * height + h) * width + w]
                total += here
                squares += here * here
        y[i] = squares / total


@task
def _expect_back(worker, lo, hi, dy, x, dx, size, kernel, stride):
    """Through `_expect`, for the planes lo..hi."""
    height, width, out_h, out_w = size
    for i in range(lo * height * width, hi * height * width):
        dx[i] = 0
    for p in range(lo, hi):
        for o in range(out_h * out_w):
            top, left = o // out_w * stride[0], o % out_w * stride[1]
            bottom, right = min(top + kernel[0], height), min(left + kernel[1], width)
            total, squares = np.float32(0), np.float32(0)
            for h in range(top, bottom):
                for w in range(left, right):
                    here = x[(p * height + h) * width + w]
                    total += here
                    squares += here * here
            total += _FLT_MIN
            for h in range(top, bottom):
                for w in range(left, right):
                    at = (p * height + h) * width + w
                    slope = (np.float32(2) * x[at] * total - squares) / (total * total)
                    dx[at] += dy[p * out_h * out_w + o] * slope
