"""Eltwise; see layers/eltwise.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import empty, task


def forward(xs: tuple[Any, ...], y: Any, winner: Any, operation: str, coeff: tuple[float, ...]) -> None:
    """y = the sum, product or maximum of all bottoms: the first two, then one after the other."""
    n, flat = y.size, y.reshape(-1)
    lines = [x.reshape(-1) for x in xs]
    if operation == "SUM":
        _sum(n, lines[0], lines[1], flat, float(coeff[0]), float(coeff[1]))
        for x, factor in zip(lines[2:], coeff[2:], strict=True):
            _sum(n, flat, x, flat, 1.0, float(factor))
    elif operation == "PROD":
        _product(n, lines[0], lines[1], flat)
        for x in lines[2:]:
            _product(n, flat, x, flat)
    else:
        taken = empty(n, np.int32) if winner is None else winner.reshape(-1)
        _first_larger(n, lines[0], lines[1], flat, taken)
        for k, x in enumerate(lines[2:], 2):
            _larger(n, x, flat, taken, k)


def backward(
    dy: Any,
    xs: tuple[Any, ...],
    y: Any,
    winner: Any,
    dxs: tuple[Any, ...],
    operation: str,
    coeff: tuple[float, ...],
    stable: bool,
) -> None:
    """To each bottom that wants it: coeff dy; the others' product times dy; dy if it was the largest."""
    n, g = dy.size, dy.reshape(-1)
    for k, dx in enumerate(dxs):
        if dx is None:
            continue
        to = dx.reshape(-1)
        if operation == "SUM":
            _scaled(n, g, to, float(coeff[k]))
        elif operation == "MAX":
            _taken(n, g, winner.reshape(-1), to, k)
        elif stable:
            others = [x.reshape(-1) for x in (*xs[:k], *xs[k + 1 :])]
            _product(n, g, others[0], to)
            for x in others[1:]:
                _product(n, to, x, to)
        else:
            _quotient(n, g, y.reshape(-1), xs[k].reshape(-1), to)


@task
def _sum(i, a, b, y, first, second):
    y[i] = first * a[i] + second * b[i]


@task
def _product(i, a, b, y):
    y[i] = a[i] * b[i]


@task
def _first_larger(i, a, b, y, winner):
    winner[i] = 0 if a[i] > b[i] else 1
    y[i] = a[i] if a[i] > b[i] else b[i]


@task
def _larger(i, x, y, winner, k):
    if x[i] > y[i]:
        y[i] = x[i]
        winner[i] = k


@task
def _scaled(i, dy, dx, factor):
    dx[i] = dy[i] * factor


@task
def _taken(i, dy, winner, dx, k):
    dx[i] = dy[i] * (np.float32(1) if winner[i] == k else np.float32(0))


@task
def _quotient(i, dy, y, x, dx):
    dx[i] = y[i] / x[i] * dy[i]
