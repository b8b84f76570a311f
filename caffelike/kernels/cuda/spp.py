"""SPP; see layers/spp.py for the definition."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from caffelike.kernels.cuda import pooling
from caffelike.kernels.cuda.door import empty, fill, task
from caffelike.kernels.cuda.views import put, take

Sizes = tuple[int, ...]
Level = tuple[Sizes, Sizes, Sizes]


def forward(
    x: Any,
    y: Any,
    argmax: Any,
    method: str,
    levels: tuple[Level, ...],
    key: np.ndarray | None,
    train: bool,
) -> None:
    """Pool level by level."""
    for i, (kernel, pad, shape, where) in enumerate(_levels(x, y, levels)):
        count = int(np.prod(shape, dtype=np.int64))
        top = empty(count).reshape(shape)
        chosen = None if argmax is None else empty(count, argmax.dtype).reshape(shape)
        level_key = None if key is None else key ^ np.array([0, i << 32, 0], np.uint64)
        pooling.forward(x, top, None, chosen, method, kernel, kernel, pad, level_key, train, True)
        put(top, y, *where)
        if argmax is not None:
            put(chosen, argmax, *where)


def backward(
    dy: Any,
    x: Any,
    argmax: Any,
    dx: Any,
    method: str,
    levels: tuple[Level, ...],
    train: bool,
) -> None:
    """Add up the levels' gradients."""
    fill(dx.reshape(-1), 0)
    part = empty(dx.size).reshape(dx.shape)
    for kernel, pad, shape, where in _levels(x, dy, levels):
        count = int(np.prod(shape, dtype=np.int64))
        gradient = empty(count).reshape(shape)
        chosen = None if argmax is None else empty(count, argmax.dtype).reshape(shape)
        take(dy, gradient, *where)
        if argmax is not None:
            take(argmax, chosen, *where)
        pooling.backward(gradient, x, chosen, part, method, kernel, kernel, pad, train, True)
        _add(dx.size, part.reshape(-1), dx.reshape(-1))


def _levels(x: Any, y: Any, levels: tuple[Level, ...]) -> Iterator[tuple[Sizes, Sizes, Sizes, tuple]]:
    """Of each level: kernel, pad, shape, and where its numbers lie in y: lengths, steps, start."""
    items, channels, start = int(x.shape[0]), int(x.shape[1]), 0
    row = y.size // max(1, items)
    for kernel, pad, (height, width) in levels:
        each = channels * height * width
        yield kernel, pad, (items, channels, height, width), ((items, each), (row, 1), start)
        start += each


@task
def _add(i, part, dx):
    dx[i] = dx[i] + part[i]
