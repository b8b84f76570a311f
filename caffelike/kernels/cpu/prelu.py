"""PReLU; see layers/prelu.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.spread import lengths
from caffelike.kernels.jit import SUMS, kernel
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk


def forward(x: np.ndarray, slope: np.ndarray, y: np.ndarray) -> None:
    """y = max(x, 0) + slope min(x, 0)."""
    outer, along, inner = lengths(x, slope, 1)
    _forward(outer * along, max(1, _GRAIN // max(1, inner)), x.reshape(-1), slope.reshape(-1), y.reshape(-1), inner)


def backward(
    dy: np.ndarray, x: np.ndarray, slope: np.ndarray, dx: np.ndarray | None, dslope: np.ndarray | None, beta: int
) -> None:
    """dslope = sum of dy x where x <= 0; then dx = dy, times slope there; dx may be dy."""
    outer, along, inner = lengths(x, slope, 1)
    dy1, x1 = dy.reshape(-1), x.reshape(-1)
    if dslope is not None:
        grain = max(1, _GRAIN // max(1, outer * inner))
        _slope_sums(along, grain, dy1, x1, dslope.reshape(-1), outer, inner, beta)
    if dx is not None:
        grain = max(1, _GRAIN // max(1, inner))
        _backward(outer * along, grain, dy1, x1, slope.reshape(-1), dx.reshape(-1), inner)


@task
def _forward(worker, lo, hi, x, slope, y, inner):
    """The planes lo..hi of `inner` values with one slope."""
    zero = np.float32(0)
    for q in range(lo, hi):
        a = slope[q % slope.size]
        here, there = x[q * inner : (q + 1) * inner], y[q * inner : (q + 1) * inner]
        for i in range(inner):
            v = here[i]
            there[i] = (v if v > zero else zero) + a * (zero if v > zero else v)


@kernel(fastmath=SUMS)
def _below(dy, x):
    """The sum of dy min(x, 0)."""
    result, zero = np.float32(0), np.float32(0)
    for i in range(x.size):
        result += dy[i] * (zero if x[i] > zero else x[i])
    return result


@task
def _slope_sums(worker, lo, hi, dy, x, dslope, outer, inner, beta):
    for c in range(lo, hi):
        result = 0.0
        for o in range(outer):
            at = (o * dslope.size + c) * inner
            result += _below(dy[at : at + inner], x[at : at + inner])
        dslope[c] = (dslope[c] + result) if beta else result


@task
def _backward(worker, lo, hi, dy, x, slope, dx, inner):
    """The planes lo..hi."""
    for q in range(lo, hi):
        a, one = slope[q % slope.size], np.float32(1)
        at = q * inner
        g, v, there = dy[at : at + inner], x[at : at + inner], dx[at : at + inner]
        if g.ctypes.data == there.ctypes.data:  # a loop that names dy not: LLVM vectorises arrays that do not overlap
            for i in range(inner):
                there[i] *= one if v[i] > 0 else a
        else:
            for i in range(inner):
                there[i] = g[i] * (one if v[i] > 0 else a)
