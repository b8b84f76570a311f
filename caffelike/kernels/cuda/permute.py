"""Permute; see layers/permute.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import device, task


def forward(x: Any, y: Any, order: tuple[int, ...]) -> None:
    """y = x with its axes in the new order."""
    _forward(y.size, x.reshape(-1), y.reshape(-1), *_lengths_and_steps(x, order))


def backward(dy: Any, dx: Any, order: tuple[int, ...]) -> None:
    """And back."""
    _backward(dy.size, dy.reshape(-1), dx.reshape(-1), *_lengths_and_steps(dx, order))


def _lengths_and_steps(x: Any, order: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of each axis of y: its length, and how far its steps lie apart in x."""
    shape = [int(n) for n in tuple(x.shape)]
    steps = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * shape[axis + 1]
    return tuple(shape[axis] for axis in order), tuple(steps[axis] for axis in order)


@device
def _at(i, lengths, steps):
    """Where number i of y lies in x."""
    at = 0
    for back in range(len(lengths)):
        axis = len(lengths) - 1 - back
        at += i % lengths[axis] * steps[axis]
        i //= lengths[axis]
    return at


@task
def _forward(i, x, y, lengths, steps):
    y[i] = x[_at(i, lengths, steps)]


@task
def _backward(i, dy, dx, lengths, steps):
    dx[_at(i, lengths, steps)] = dy[i]
