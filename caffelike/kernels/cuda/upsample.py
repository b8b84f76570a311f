"""Upsample; see layers/upsample.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task
from caffelike.kernels.cuda.unpool import check_mask, put_back, take_out
from caffelike.kernels.cuda.views import take


def forward(x: Any, mask: Any, y: Any, scale: tuple[int, int]) -> None:
    """Repeat, or put back. A mask is waited for; raises DataError."""
    if mask is not None:
        check_mask(mask, y.shape)
        put_back(x, mask, y)
        return
    n, c, h, w = x.shape
    take(x, y, (n * c, h, scale[0], w, scale[1]), (h * w, w, 0, 1, 0))


def backward(dy: Any, mask: Any, dx: Any, scale: tuple[int, int]) -> None:
    """Sum over the repeated pixels, or read at the places."""
    if mask is None:
        _sum(dx.size, dy.reshape(-1), dx.reshape(-1), int(dx.shape[3]), *scale)
    else:
        take_out(dy, mask, dx)


@task
def _sum(i, dy, dx, width, down, across):
    """The `down` x `across` pixels of dy that repeat pixel i."""
    start = i // width * down * width * across + i % width * across
    total = np.float32(0)
    for row in range(down):
        for at in range(across):
            total += dy[start + row * width * across + at]
    dx[i] = total
