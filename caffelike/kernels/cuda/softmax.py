"""Softmax; see layers/softmax.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task
from caffelike.kernels.cuda.scalar import exp


def forward(x: Any, y: Any, axis: int) -> None:
    """y = exp(x) / sum(exp(x)) along the axis."""
    classes, inner = lengths(x, axis)
    softmax(x.size // max(1, classes), x.reshape(-1), y.reshape(-1), classes, inner)


def backward(dy: Any, y: Any, dx: Any, axis: int) -> None:
    """dx = y (dy - sum(dy y))."""
    classes, inner = lengths(y, axis)
    _backward(y.size // max(1, classes), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), classes, inner)


def lengths(x: Any, axis: int) -> tuple[int, int]:
    """The length of the axis, and how many values lie behind each of its steps."""
    shape = tuple(x.shape)
    return shape[axis], int(np.prod(shape[axis + 1 :], dtype=np.int64))


@task
def softmax(i, x, y, classes, inner):
    """The probabilities of place i; y may be x. A NaN or +infinity makes all of them NaN."""
    at = i // inner * classes * inner + i % inner
    largest = x[at]
    for k in range(classes):
        v = x[at + k * inner]
        if v > largest or v != v:
            largest = v
    total = 0.0
    for k in range(classes):
        v = exp(x[at + k * inner] - largest)
        y[at + k * inner] = v
        total += v
    for k in range(classes):
        y[at + k * inner] = y[at + k * inner] / np.float32(total)


@device
def slope(i, dy, y, classes, inner):
    """The sum of dy y over the classes of place i, and where its first value lies."""
    at = i // inner * classes * inner + i % inner
    total = 0.0
    for k in range(classes):
        total += dy[at + k * inner] * y[at + k * inner]
    return at, np.float32(total)


@task
def _backward(i, dy, y, dx, classes, inner):
    at, total = slope(i, dy, y, classes, inner)
    for k in range(classes):
        here = at + k * inner
        dx[here] = y[here] * (dy[here] - total)
