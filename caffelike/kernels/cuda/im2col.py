"""Im2col; see layers/im2col.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.correlate import Sizes, axes_of, seeing, seen
from caffelike.kernels.cuda.door import task


def forward(x: Any, y: Any, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes) -> None:
    """y = the pixels under every window; any number of axes."""
    axes = axes_of(x, y, kernel, stride, pad, dilation)
    _unfold(y.size, x.reshape(-1), y.reshape(-1), axes, *_counts(axes))


def backward(dy: Any, dx: Any, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes) -> None:
    """dx = the sum of each pixel's gradients over the windows that see it."""
    axes = axes_of(dx, dy, kernel, stride, pad, dilation)
    _fold(dx.size, dy.reshape(-1), dx.reshape(-1), axes, *_counts(axes))


def _counts(axes: tuple[Sizes, ...]) -> tuple[int, ...]:
    """How many pixels, places and positions in the kernel there are."""
    return tuple(int(np.prod(sizes, dtype=np.int64)) for sizes in axes[:3])


@task
def _unfold(i, x, y, axes, pixels, places, taps):
    at = seen(i // places % taps, i % places, axes)
    y[i] = x[i // (places * taps) * pixels + at] if at >= 0 else np.float32(0)


@task
def _fold(i, dy, dx, axes, pixels, places, taps):
    total = np.float32(0)
    for tap in range(taps):
        at = seeing(tap, i % pixels, axes)
        if at >= 0:
            total += dy[(i // pixels * taps + tap) * places + at]
    dx[i] = total
