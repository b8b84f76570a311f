"""LRN; see layers/lrn.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, empty, task
from caffelike.kernels.cuda.scalar import power


def forward(x: Any, y: Any, region: str, size: int, alpha: float, beta: float, k: float) -> None:
    """y = x scale^-beta, where scale sums the squares near each value."""
    across, share, base = _plan(region, size, alpha, k)
    _forward(x.size, x.reshape(-1), y.reshape(-1), _lengths(x), across, size // 2, share, base, -beta)


def backward(dy: Any, x: Any, dx: Any, region: str, size: int, alpha: float, beta: float, k: float) -> None:
    """dx = dy scale^-beta - 2 alpha beta x mean(dy y / scale); the scale is worked out once more, into scratch."""
    across, share, base = _plan(region, size, alpha, k)
    v, g, lengths = x.reshape(-1), dy.reshape(-1), _lengths(x)
    powers, crossed = empty(x.size), empty(x.size)
    _scales(x.size, v, g, powers, crossed, lengths, across, size // 2, share, base, -beta)
    _backward(x.size, v, g, powers, crossed, dx.reshape(-1), lengths, across, size // 2, -2.0 * share * beta)


def _plan(region: str, size: int, alpha: float, k: float) -> tuple[bool, float, float]:
    """Whether windows go across channels, what a square counts, and what the scale is without any."""
    across = region == "ACROSS_CHANNELS"
    return across, alpha / (size if across else size * size), float(k) if across else 1.0


def _lengths(x: Any) -> tuple[int, int, int]:
    """Channels, height and width."""
    return int(x.shape[1]), int(x.shape[2]), int(x.shape[3])


@device
def _near(i, lengths, across, half):
    """The window of a value: first and last step of each of its two axes, and how far their steps lie apart.

    Across channels the first axis is the only one: the second has one step, of length 0.
    """
    channels, height, width = lengths
    plane = height * width
    if across:
        c = i // plane % channels
        return max(-half, -c), min(half, channels - 1 - c), plane, 0, 0, 0
    h, w = i // width % height, i % width
    return max(-half, -h), min(half, height - 1 - h), width, max(-half, -w), min(half, width - 1 - w), 1


@device
def _scale(i, x, lengths, across, half, share, base):
    a0, a1, far, b0, b1, near = _near(i, lengths, across, half)
    total = np.float32(0)
    for a in range(a0, a1 + 1):
        for b in range(b0, b1 + 1):
            v = x[i + a * far + b * near]
            total += v * v
    return share * total + base


@task
def _forward(i, x, y, lengths, across, half, share, base, exponent):
    y[i] = x[i] * power(_scale(i, x, lengths, across, half, share, base), exponent)


@task
def _scales(i, x, dy, powers, crossed, lengths, across, half, share, base, exponent):
    scale = _scale(i, x, lengths, across, half, share, base)
    powers[i] = power(scale, exponent)
    crossed[i] = dy[i] * x[i] * powers[i] / scale


@task
def _backward(i, x, dy, powers, crossed, dx, lengths, across, half, factor):
    a0, a1, far, b0, b1, near = _near(i, lengths, across, half)
    total = np.float32(0)
    for a in range(a0, a1 + 1):
        for b in range(b0, b1 + 1):
            total += crossed[i + a * far + b * near]
    dx[i] = dy[i] * powers[i] + factor * x[i] * total
