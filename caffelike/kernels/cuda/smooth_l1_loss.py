"""SmoothL1Loss; see layers/smooth_l1_loss.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.smooth_l1 import smooth_l1, smooth_l1_slope
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, target: Any, inside: Any, outside: Any, loss: Any, difference: Any, square: float) -> None:
    """The weighted sum of f."""
    gap = empty(x.size) if difference is None else difference.reshape(-1)
    factors = gap if inside is None else inside.reshape(-1)
    _gaps(x.size, x.reshape(-1), target.reshape(-1), factors, gap, inside is not None)
    total, factors = empty(1), gap if outside is None else outside.reshape(-1)
    _losses(1, x.size, total, 0, gap, factors, outside is not None, square)
    divide(1, total, total, loss.reshape(-1), False, float(x.shape[0]))


def backward(dloss: Any, inside: Any, outside: Any, difference: Any, dx: Any, dtarget: Any, square: float) -> None:
    """f', weighted on both sides."""
    gap, given = difference.reshape(-1), (inside is not None, outside is not None)
    factors = [gap if f is None else f.reshape(-1) for f in (inside, outside)]
    for to, way in ((dx, 1.0), (dtarget, -1.0)):
        if to is not None:
            share = way / max(1, difference.shape[0])
            _backward(gap.size, dloss.reshape(-1), gap, *factors, *given, to.reshape(-1), square, share)


@task
def _gaps(i, x, target, factors, gap, weighted):
    v = x[i] - target[i]
    gap[i] = v * factors[i] if weighted else v


@summed
def _losses(o, i, gap, factors, weighted, square):
    value = smooth_l1(gap[i], square)
    return value * factors[i] if weighted else value


@task
def _backward(i, dloss, gap, inside, outside, weighted_in, weighted_out, to, square, share):
    slope = smooth_l1_slope(gap[i], square) * (dloss[0] * share)
    if weighted_in:
        slope = slope * inside[i]
    if weighted_out:
        slope = slope * outside[i]
    to[i] = slope
