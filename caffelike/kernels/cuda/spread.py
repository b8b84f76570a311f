"""A small array that acts along some axes of a large one: what Scale, Bias and PReLU share."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task
from caffelike.kernels.cuda.sums import summed


def lengths(large: Any, small: Any, axis: int) -> tuple[int, int, int]:
    """How many values of `large` lie before, along and behind the axes, from `axis` on, that `small` acts along."""
    if small.ndim == 0:
        return 1, 1, large.size
    shape = tuple(large.shape)
    behind = int(np.prod(shape[axis + small.ndim :], dtype=np.int64))
    return int(np.prod(shape[:axis], dtype=np.int64)), small.size, behind


def multiply_add(x: Any, scale: Any, bias: Any, y: Any, axis: int) -> None:
    """y = x scale + bias; None for one of them leaves it out. y may be x."""
    _, along, inner = lengths(x, bias if scale is None else scale, axis)
    flat, to = x.reshape(-1), y.reshape(-1)
    if bias is None:
        _multiply(x.size, flat, scale.reshape(-1), to, along, inner)
    elif scale is None:
        _add(x.size, flat, bias.reshape(-1), to, along, inner)
    else:
        _multiply_add(x.size, flat, scale.reshape(-1), bias.reshape(-1), to, along, inner)


def sums(large: Any, factor: Any, small: Any, to: Any, axis: int, beta: float) -> None:
    """to = beta to + the sum of large (times factor, of the same shape) over the axes that `small` is spread over."""
    outer, along, inner = lengths(large, small, axis)
    if factor is None:
        _sums(along, outer * inner, to.reshape(-1), beta, large.reshape(-1), along, inner)
    else:
        _dots(along, outer * inner, to.reshape(-1), beta, large.reshape(-1), factor.reshape(-1), along, inner)


@task
def _multiply(i, x, scale, y, along, inner):
    y[i] = x[i] * scale[i // inner % along]


@task
def _add(i, x, bias, y, along, inner):
    y[i] = x[i] + bias[i // inner % along]


@task
def _multiply_add(i, x, scale, bias, y, along, inner):
    c = i // inner % along
    y[i] = x[i] * scale[c] + bias[c]


@summed
def _sums(c, k, large, along, inner):
    return large[(k // inner * along + c) * inner + k % inner]


@summed
def _dots(c, k, large, factor, along, inner):
    at = (k // inner * along + c) * inner + k % inner
    return large[at] * factor[at]
