"""Pooling; see layers/pooling.py for the definition.

One thread makes one output; in the gradient one thread makes one pixel, out of all windows that reach it.
"""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, empty, fill, task
from caffelike.kernels.cuda.philox import bits, words
from caffelike.kernels.cuda.scalar import LARGEST, TINIEST

Sizes = tuple[int, ...]


def forward(
    x: Any,
    y: Any,
    mask: Any,
    argmax: Any,
    method: str,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    key: np.ndarray | None,
    train: bool,
    include_pad: bool,
) -> None:
    """y = the largest value, the mean or a random value of each window."""
    v, to = x.reshape(-1), y.reshape(-1)
    over = _windows(x, y, kernel, stride, pad)
    if method == "AVE":
        _means(y.size, v, to, bool(include_pad), over)
        return
    if method == "STOCHASTIC" and not train:
        _expected(y.size, v, to, over)
        if mask is not None:
            fill(mask.reshape(-1), -1)
        return
    chosen = empty(y.size, np.int32) if argmax is None else argmax.reshape(-1)
    if method == "MAX":
        _largest(y.size, v, to, chosen, over)
    else:
        assert key is not None
        _drawn(y.size, v, to, chosen, words(key), over)
    if mask is not None:
        _indices(y.size, chosen, mask.reshape(-1), over)


def backward(
    dy: Any,
    x: Any,
    argmax: Any,
    dx: Any,
    method: str,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    train: bool,
    include_pad: bool,
) -> None:
    """dx = each gradient to the pixel taken, or in parts to the whole window."""
    g, to = dy.reshape(-1), dx.reshape(-1)
    over = _windows(dx, dy, kernel, stride, pad)
    if argmax is not None:
        _to_taken(dx.size, g, argmax.reshape(-1), to, over)
    elif method == "AVE":
        _to_all(dx.size, g, to, bool(include_pad), over)
    else:
        _to_expected(dx.size, g, x.reshape(-1), to, over)


def _windows(x: Any, y: Any, kernel: Sizes, stride: Sizes, pad: Sizes) -> tuple[Sizes, ...]:
    """(size, out, kernel, stride, pad) of volumes; an image is a volume one pixel deep."""
    axes = len(kernel)
    lists = (tuple(x.shape)[x.ndim - axes :], tuple(y.shape)[y.ndim - axes :], kernel, stride, pad)
    return tuple(
        (fill,) * (3 - axes) + tuple(int(n) for n in one) for one, fill in zip(lists, (1, 1, 1, 1, 0), strict=True)
    )


@device
def _ends(place, axis, over):
    """The first pixel of a window along an axis, and where it ends, both cut off at the image."""
    size, _, kernel, stride, pad = over
    begin = place * stride[axis] - pad[axis]
    return max(begin, 0), min(begin + kernel[axis], size[axis])


@device
def _reached(pixel, axis, over):
    """The first window that reaches a pixel along an axis, and the one behind the last."""
    _, out, kernel, stride, pad = over
    begin = (pixel + pad[axis] - kernel[axis]) // stride[axis] + 1
    return max(begin, 0), min(out[axis], (pixel + pad[axis]) // stride[axis] + 1)


@device
def _length(place, axis, include_pad, over):
    """How many pixels of a window AVE counts along an axis."""
    size, _, kernel, stride, pad = over
    begin = place * stride[axis] - pad[axis]
    if include_pad:
        return min(begin + kernel[axis], size[axis] + pad[axis]) - begin
    return min(begin + kernel[axis], size[axis]) - max(begin, 0)


@device
def _none(over):
    """The place that stands for none: how many there are in a window."""
    return over[2][0] * over[2][1] * over[2][2]


@device
def _place(pixel, window, over):
    """Where in a window a pixel lies, row by row."""
    _, _, kernel, stride, pad = over
    d = pixel[0] - window[0] * stride[0] + pad[0]
    h = pixel[1] - window[1] * stride[1] + pad[1]
    w = pixel[2] - window[2] * stride[2] + pad[2]
    return (d * kernel[1] + h) * kernel[2] + w


@device
def _split(i, sizes):
    """(plane, depth, row, column) of a number's index."""
    return (
        i // (sizes[0] * sizes[1] * sizes[2]),
        i // (sizes[1] * sizes[2]) % sizes[0],
        i // sizes[2] % sizes[1],
        i % sizes[2],
    )


@device
def _sums(x, i, over):
    """The sum of a window's values, and of their squares."""
    size = over[0]
    plane, od, oh, ow = _split(i, over[1])
    (d0, d1), (h0, h1), (w0, w1) = _ends(od, 0, over), _ends(oh, 1, over), _ends(ow, 2, over)
    total, squares = np.float32(0), np.float32(0)
    for d in range(d0, d1):
        for h in range(h0, h1):
            for w in range(w0, w1):
                v = x[((plane * size[0] + d) * size[1] + h) * size[2] + w]
                total += v
                squares += v * v
    return total, squares


@task
def _largest(i, x, y, argmax, over):
    size = over[0]
    plane, od, oh, ow = _split(i, over[1])
    (d0, d1), (h0, h1), (w0, w1) = _ends(od, 0, over), _ends(oh, 1, over), _ends(ow, 2, over)
    best, taken = -LARGEST, _none(over)
    for d in range(d0, d1):
        for h in range(h0, h1):
            for w in range(w0, w1):
                v = x[((plane * size[0] + d) * size[1] + h) * size[2] + w]
                if v > best:
                    best, taken = v, _place((d, h, w), (od, oh, ow), over)
    y[i] = best
    argmax[i] = taken


@task
def _means(i, x, y, include_pad, over):
    _, od, oh, ow = _split(i, over[1])
    count = _length(od, 0, include_pad, over) * _length(oh, 1, include_pad, over) * _length(ow, 2, include_pad, over)
    y[i] = _sums(x, i, over)[0] / np.float32(count)


@task
def _expected(i, x, y, over):
    total, squares = _sums(x, i, over)
    y[i] = squares / (total + TINIEST)


@task
def _drawn(i, x, y, argmax, words, over):
    size = over[0]
    plane, od, oh, ow = _split(i, over[1])
    (d0, d1), (h0, h1), (w0, w1) = _ends(od, 0, over), _ends(oh, 1, over), _ends(ow, 2, over)
    random = np.float32(bits(i, words[0], words[1], words[2], words[3]) >> 8) * np.float32(2**-24)
    threshold = random * _sums(x, i, over)[0]
    none = _none(over)
    total, value, taken = np.float32(0), np.float32(0), none
    for d in range(d0, d1):
        for h in range(h0, h1):
            for w in range(w0, w1):
                v = x[((plane * size[0] + d) * size[1] + h) * size[2] + w]
                total += v
                if taken == none and total >= threshold:
                    value, taken = v, _place((d, h, w), (od, oh, ow), over)
    y[i] = value
    argmax[i] = taken


@task
def _indices(i, argmax, mask, over):
    size, out, kernel, stride, pad = over
    place = int(argmax[i])
    _, od, oh, ow = _split(i, out)
    d = od * stride[0] - pad[0] + place // (kernel[1] * kernel[2])
    h = oh * stride[1] - pad[1] + place // kernel[2] % kernel[1]
    w = ow * stride[2] - pad[2] + place % kernel[2]
    mask[i] = -1 if place == _none(over) else (d * size[1] + h) * size[2] + w


@task
def _to_taken(i, dy, argmax, dx, over):
    size, out = over[0], over[1]
    plane, d, h, w = _split(i, size)
    (d0, d1), (h0, h1), (w0, w1) = _reached(d, 0, over), _reached(h, 1, over), _reached(w, 2, over)
    total = np.float32(0)
    for od in range(d0, d1):
        for oh in range(h0, h1):
            for ow in range(w0, w1):
                at = ((plane * out[0] + od) * out[1] + oh) * out[2] + ow
                if argmax[at] == _place((d, h, w), (od, oh, ow), over):
                    total += dy[at]
    dx[i] = total


@task
def _to_all(i, dy, dx, include_pad, over):
    size, out = over[0], over[1]
    plane, d, h, w = _split(i, size)
    (d0, d1), (h0, h1), (w0, w1) = _reached(d, 0, over), _reached(h, 1, over), _reached(w, 2, over)
    total = np.float32(0)
    for od in range(d0, d1):
        for oh in range(h0, h1):
            for ow in range(w0, w1):
                count = (
                    _length(od, 0, include_pad, over)
                    * _length(oh, 1, include_pad, over)
                    * _length(ow, 2, include_pad, over)
                )
                if count > 0:
                    total += dy[((plane * out[0] + od) * out[1] + oh) * out[2] + ow] / np.float32(count)
    dx[i] = total


@task
def _to_expected(i, dy, x, dx, over):
    size, out = over[0], over[1]
    plane, d, h, w = _split(i, size)
    (d0, d1), (h0, h1), (w0, w1) = _reached(d, 0, over), _reached(h, 1, over), _reached(w, 2, over)
    result = np.float32(0)
    for od in range(d0, d1):
        for oh in range(h0, h1):
            for ow in range(w0, w1):
                at = ((plane * out[0] + od) * out[1] + oh) * out[2] + ow
                total, squares = _sums(x, at, over)
                total += TINIEST
                result += dy[at] * (np.float32(2) * x[i] * total - squares) / (total * total)
    dx[i] = result
