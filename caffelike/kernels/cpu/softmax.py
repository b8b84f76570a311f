"""Softmax; see layers/softmax.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.sums import dot, total
from caffelike.kernels.cpu.vector_math import exp
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task

_WORK = 8192  # values in a chunk, more or less
_PLACES = 256  # places beside each other at a time, where classes do not lie next to each other


def forward(x: np.ndarray, y: np.ndarray, axis: int) -> None:
    """y = exp(x - max) / sum along the axis; y may be x."""
    outer, classes, inner = split(x.shape, axis)
    if inner == 1:
        _lines(outer, max(1, _WORK // classes), x.reshape(-1), y.reshape(-1), classes)
    elif x.size:
        sums = scratch("softmax", 2 * get_num_threads() * _PLACES)
        blocks = -(-inner // _PLACES)
        _planes(
            outer * blocks, max(1, _WORK // (classes * _PLACES)), x.reshape(-1), y.reshape(-1), classes, inner, sums
        )


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray, axis: int) -> None:
    """dx = y (dy - sum(dy y)); dx may be dy."""
    outer, classes, inner = split(dy.shape, axis)
    if inner == 1:
        _lines_back(outer, max(1, _WORK // classes), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), classes)
    elif dy.size:
        sums = scratch("softmax", get_num_threads() * _PLACES)
        blocks, grain = -(-inner // _PLACES), max(1, _WORK // (classes * _PLACES))
        _planes_back(outer * blocks, grain, dy.reshape(-1), y.reshape(-1), dx.reshape(-1), classes, inner, sums)


def split(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """Values before, along and behind the axis."""
    outer = inner = 1
    for n in shape[:axis]:
        outer *= n
    for n in shape[axis + 1 :]:
        inner *= n
    return outer, max(1, shape[axis]), inner


@kernel
def _larger(a, b):
    return b if b > a else a


@kernel
def _largest(x):
    """The largest of x; NaN is passed over (what is left of it is seen in the sum of exp)."""
    a = b = c = d = np.float32(-np.inf)  # comparing with four in turn, nothing waits for the last result
    n = x.size // 4 * 4
    for i in range(0, n, 4):
        a, b = _larger(a, x[i]), _larger(b, x[i + 1])
        c, d = _larger(c, x[i + 2]), _larger(d, x[i + 3])
    for i in range(n, x.size):
        a = _larger(a, x[i])
    return _larger(_larger(a, b), _larger(c, d))


@kernel
def _line(x, y):
    top = _largest(x)
    for i in range(x.size):
        y[i] = exp(x[i] - top)
    divisor = total(y)
    for i in range(x.size):
        y[i] /= divisor


@task
def _lines(worker, lo, hi, x, y, classes):
    for i in range(lo, hi):
        _line(x[i * classes : (i + 1) * classes], y[i * classes : (i + 1) * classes])


@task
def _planes(worker, lo, hi, x, y, classes, inner, sums):
    """The blocks lo..hi of _PLACES places."""
    sums = sums[2 * worker * _PLACES : 2 * (worker + 1) * _PLACES]
    blocks = (inner + _PLACES - 1) // _PLACES
    for q in range(lo, hi):
        begin = q % blocks * _PLACES
        n = min(_PLACES, inner - begin)
        first = q // blocks * classes * inner + begin
        tops, totals = sums[:n], sums[_PLACES : _PLACES + n]
        tops[:] = -np.inf
        totals[:] = 0
        for c in range(classes):
            here = x[first + c * inner : first + c * inner + n]
            for i in range(n):
                tops[i] = here[i] if here[i] > tops[i] else tops[i]
        for c in range(classes):
            here, there = x[first + c * inner : first + c * inner + n], y[first + c * inner : first + c * inner + n]
            for i in range(n):
                there[i] = exp(here[i] - tops[i])
            for i in range(n):
                totals[i] += there[i]
        for c in range(classes):
            there = y[first + c * inner : first + c * inner + n]
            for i in range(n):
                there[i] /= totals[i]


@task
def _lines_back(worker, lo, hi, dy, y, dx, classes):
    for q in range(lo, hi):
        g, v = dy[q * classes : (q + 1) * classes], y[q * classes : (q + 1) * classes]
        there = dx[q * classes : (q + 1) * classes]
        slant = dot(g, v)
        for i in range(classes):
            there[i] = v[i] * (g[i] - slant)


@task
def _planes_back(worker, lo, hi, dy, y, dx, classes, inner, sums):
    """The blocks lo..hi of _PLACES places."""
    sums = sums[worker * _PLACES : (worker + 1) * _PLACES]
    blocks = (inner + _PLACES - 1) // _PLACES
    for q in range(lo, hi):
        begin = q % blocks * _PLACES
        n = min(_PLACES, inner - begin)
        first = q // blocks * classes * inner + begin
        slants = sums[:n]
        slants[:] = 0
        for c in range(classes):
            at = first + c * inner
            g, v = dy[at : at + n], y[at : at + n]
            for i in range(n):
                slants[i] += g[i] * v[i]
        for c in range(classes):
            at = first + c * inner
            g, v, there = dy[at : at + n], y[at : at + n], dx[at : at + n]
            for i in range(n):
                there[i] = v[i] * (g[i] - slants[i])
