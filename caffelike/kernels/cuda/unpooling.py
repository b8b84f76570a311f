"""Unpooling; see layers/unpooling.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, on_device, task
from caffelike.kernels.cuda.unpool import check_mask, put_back, take_out

Sizes = tuple[int, ...]


def forward(x: Any, second: Any, y: Any, method: str, kernel: Sizes, stride: Sizes, pad: Sizes) -> None:
    """Put each value in its place, or spread it. A mask is waited for; raises DataError."""
    if method in ("MAX", "FIXED"):
        put_back(x, _mask(x, second, y, method, kernel, stride, pad), y)
    else:
        _forward(y.size, x.reshape(-1), y.reshape(-1), *_plan(x, y, method, kernel, stride, pad))


def backward(dy: Any, second: Any, dx: Any, method: str, kernel: Sizes, stride: Sizes, pad: Sizes) -> None:
    """Take each value's gradient from where it went."""
    if method in ("MAX", "FIXED"):
        take_out(dy, _mask(dx, second, dy, method, kernel, stride, pad), dx)
    else:
        _backward(dx.size, dy.reshape(-1), dx.reshape(-1), *_plan(dx, dy, method, kernel, stride, pad))


def _mask(x: Any, second: Any, y: Any, method: str, kernel: Sizes, stride: Sizes, pad: Sizes) -> Any:
    """The place of every value in its plane of y, -1 where a later one takes it; one plane where all are alike."""
    if method == "MAX" and second is not None:
        check_mask(second, y.shape)
        return second
    along = []
    for n, out, k, s, q in zip(x.shape[2:], y.shape[2:], kernel, stride, pad, strict=True):
        start = np.arange(n) * s - q
        along.append(np.clip(start if method == "MAX" else (2 * start + k - 1) // 2, 0, out - 1))
    places = along[0][:, None] * int(y.shape[3]) + along[1]
    last = np.full(int(y.shape[2] * y.shape[3]), -1)
    last[places.ravel()] = np.arange(places.size)
    stays = last[places] == np.arange(places.size).reshape(places.shape)
    return on_device(np.where(stays, places, -1).astype(np.float32))


def _plan(x: Any, y: Any, method: str, kernel: Sizes, stride: Sizes, pad: Sizes) -> tuple:
    """What both kernels are told: sizes, and whether a value and whether a pixel is divided."""
    size, out = (tuple(int(n) for n in tuple(a.shape)[2:]) for a in (x, y))
    axes = (size, out, *(tuple(int(n) for n in given) for given in (kernel, stride, pad)))
    return axes, method in ("AVE", "DIV"), method in ("DIV", "REP")


@device
def _windows(pixel, axis, axes):
    """The first window over a pixel along an axis, and the one behind the last."""
    size, _, kernel, stride, pad = axes
    first = (pixel + pad[axis] - kernel[axis]) // stride[axis] + 1
    return max(first, 0), min(size[axis], (pixel + pad[axis]) // stride[axis] + 1)


@device
def _length(window, axis, axes):
    """How many pixels a window's value is shared by along an axis; those of the pad count."""
    _, out, kernel, stride, pad = axes
    start = window * stride[axis] - pad[axis]
    return max(1, min(start + kernel[axis], out[axis] + pad[axis]) - start)


@device
def _part(h, w, axes, shared):
    """What a window's value is multiplied by."""
    return np.float32(1) / np.float32(_length(h, 0, axes) * _length(w, 1, axes)) if shared else np.float32(1)


@device
def _mean(row, column, axes, averaged):
    """What a pixel's sum is multiplied by."""
    if not averaged:
        return np.float32(1)
    (h0, h1), (w0, w1) = _windows(row, 0, axes), _windows(column, 1, axes)
    return np.float32(1) / np.float32(max(1, max(0, h1 - h0) * max(0, w1 - w0)))


@task
def _forward(i, x, y, axes, shared, averaged):
    size, out = axes[0], axes[1]
    plane, row, column = i // (out[0] * out[1]), i // out[1] % out[0], i % out[1]
    (h0, h1), (w0, w1) = _windows(row, 0, axes), _windows(column, 1, axes)
    total = np.float32(0)
    for h in range(h0, h1):
        for w in range(w0, w1):
            total += x[(plane * size[0] + h) * size[1] + w] * _part(h, w, axes, shared)
    y[i] = total * _mean(row, column, axes, averaged)


@task
def _backward(i, dy, dx, axes, shared, averaged):
    size, out, kernel, stride, pad = axes
    plane, h, w = i // (size[0] * size[1]), i // size[1] % size[0], i % size[1]
    top, left = h * stride[0] - pad[0], w * stride[1] - pad[1]
    total = np.float32(0)
    for row in range(max(0, top), min(out[0], top + kernel[0])):
        for column in range(max(0, left), min(out[1], left + kernel[1])):
            total += dy[(plane * out[0] + row) * out[1] + column] * _mean(row, column, axes, averaged)
    dx[i] = total * _part(h, w, axes, shared)
