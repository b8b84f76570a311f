"""Eltwise; see layers/eltwise.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.several import GRAIN, addresses, values
from caffelike.kernels.launch import by_hand, task
from caffelike.kernels.replay import replayable

_SUM, _PROD, _MAX = 0, 1, 2
_CODES = {"SUM": _SUM, "PROD": _PROD, "MAX": _MAX}
_NONE = np.empty(0, np.int32)


@replayable
def forward(
    xs: tuple[np.ndarray, ...], y: np.ndarray, winner: np.ndarray | None, operation: str, coeff: tuple[float, ...]
) -> None:
    """y = the sum, product or maximum of all bottoms."""
    _run(xs, y, winner, operation, coeff, False, 0.0)


@replayable
def forward_relu(
    xs: tuple[np.ndarray, ...],
    y: np.ndarray,
    winner: np.ndarray | None,
    operation: str,
    coeff: tuple[float, ...],
    negative_slope: float,
) -> None:
    """`forward`, then ReLU on y, in one pass."""
    _run(xs, y, winner, operation, coeff, True, negative_slope)


@replayable
def backward(
    dy: np.ndarray,
    xs: tuple[np.ndarray, ...],
    y: np.ndarray,
    winner: np.ndarray | None,
    dxs: tuple[np.ndarray | None, ...],
    operation: str,
    coeff: tuple[float, ...],
    stable: bool,
) -> None:
    """To each bottom that wants it: coeff dy; the others' product times dy; dy if it was the largest."""
    if operation == "SUM":
        _sum_back(dy.size, GRAIN, dy.reshape(-1), addresses(dxs), np.array(coeff, np.float32))
    elif operation == "MAX":
        assert winner is not None  # there wherever backward is
        _max_back(dy.size, GRAIN, dy.reshape(-1), winner.reshape(-1), addresses(dxs))
    elif stable:
        _product_back(dy.size, GRAIN, dy.reshape(-1), addresses(xs), addresses(dxs))
    else:
        _quotient_back(dy.size, GRAIN, dy.reshape(-1), y.reshape(-1), addresses(xs), addresses(dxs))


@replayable
def backward_relu_split(
    dys: tuple[np.ndarray | None, ...], y: np.ndarray, dxs: tuple[np.ndarray | None, ...], negative_slope: float
) -> None:
    """Of the sum of two bottoms, ReLU in place on it (y) and Split behind that: the same to both bottoms.

    dys: of Split's tops. Their sum passes ReLU where its value was positive.
    """
    arriving, leaving = ([a for a in arrays if a is not None] for arrays in (dys, dxs))
    if not arriving:
        by_hand()
        for dx in leaving:
            dx[...] = 0
    elif leaving:
        _hand_on(y.size, GRAIN, addresses(arriving), y.reshape(-1), addresses(leaving), np.float32(negative_slope))


def _run(
    xs: tuple[np.ndarray, ...],
    y: np.ndarray,
    winner: np.ndarray | None,
    operation: str,
    coeff: tuple[float, ...],
    clip: bool,
    slope: float,
) -> None:
    winner = _NONE if winner is None else winner.reshape(-1)
    factors = np.array(coeff, np.float32)
    _combine(y.size, GRAIN, addresses(xs), y.reshape(-1), winner, _CODES[operation], factors, clip, slope)


_LINE = 2048  # values at a time: they stay in the first-level cache


@task
def _hand_on(worker, lo, hi, arriving, y, leaving, slope):
    """The values lo..hi of each of `leaving`: the sum of `arriving` where y > 0, slope times it elsewhere."""
    one = np.float32(1)
    for at in range(lo, hi, _LINE):
        n = min(_LINE, hi - at)
        passed, total = y[at : at + n], values(leaving[0] + 4 * at, n)
        first = values(arriving[0] + 4 * at, n)
        if arriving.size == 2:
            second = values(arriving[1] + 4 * at, n)
            for i in range(n):
                total[i] = (first[i] + second[i]) * (one if passed[i] > 0 else slope)
        else:
            for i in range(n):
                total[i] = first[i]
            for k in range(1, arriving.size):
                more = values(arriving[k] + 4 * at, n)
                for i in range(n):
                    total[i] += more[i]
            for i in range(n):
                total[i] *= one if passed[i] > 0 else slope
        for k in range(1, leaving.size):
            other = values(leaving[k] + 4 * at, n)
            for i in range(n):
                other[i] = total[i]


@task
def _combine(worker, lo, hi, places, y, winner, operation, factors, clip, slope):
    """The values lo..hi, one bottom after the other: y stays in the first-level cache."""
    n, y = hi - lo, y[lo:hi]
    if winner.size:
        winner = winner[lo:hi]
    first, second = values(places[0] + 4 * lo, n), values(places[1] + 4 * lo, n)
    if operation == _SUM:
        a, b = factors[0], factors[1]
        for i in range(n):
            y[i] = a * first[i] + b * second[i]
    elif operation == _PROD:
        for i in range(n):
            y[i] = first[i] * second[i]
    else:
        for i in range(n):
            y[i] = first[i] if first[i] > second[i] else second[i]
        if winner.size:
            for i in range(n):
                winner[i] = 0 if first[i] > second[i] else 1
    for k in range(2, places.size):
        more = values(places[k] + 4 * lo, n)
        if operation == _SUM:
            a = factors[k]
            for i in range(n):
                y[i] += a * more[i]
        elif operation == _PROD:
            for i in range(n):
                y[i] *= more[i]
        else:
            if winner.size:
                for i in range(n):
                    winner[i] = k if more[i] > y[i] else winner[i]
            for i in range(n):
                y[i] = more[i] if more[i] > y[i] else y[i]
    if clip:
        slope, zero = np.float32(slope), np.float32(0)
        for i in range(n):
            v = y[i]
            y[i] = (v if v > zero else zero) + slope * (zero if v > zero else v)


@task
def _sum_back(worker, lo, hi, dy, places, factors):
    n, dy = hi - lo, dy[lo:hi]
    for k in range(places.size):
        if places[k] != 0:
            dx, a = values(places[k] + 4 * lo, n), factors[k]
            for i in range(n):
                dx[i] = a * dy[i]


@task
def _max_back(worker, lo, hi, dy, winner, places):
    n, dy, winner = hi - lo, dy[lo:hi], winner[lo:hi]
    for k in range(places.size):
        if places[k] != 0:
            dx = values(places[k] + 4 * lo, n)
            for i in range(n):
                dx[i] = dy[i] * np.float32(winner[i] == k)


@task
def _product_back(worker, lo, hi, dy, sources, places):
    n, dy = hi - lo, dy[lo:hi]
    for k in range(places.size):
        if places[k] != 0:
            dx = values(places[k] + 4 * lo, n)
            for i in range(n):
                dx[i] = dy[i]
            for other in range(sources.size):
                if other != k:
                    x = values(sources[other] + 4 * lo, n)
                    for i in range(n):
                        dx[i] *= x[i]


@task
def _quotient_back(worker, lo, hi, dy, y, sources, places):
    n, dy, y = hi - lo, dy[lo:hi], y[lo:hi]
    for k in range(places.size):
        if places[k] != 0:
            x, dx = values(sources[k] + 4 * lo, n), values(places[k] + 4 * lo, n)
            for i in range(n):
                dx[i] = y[i] / x[i] * dy[i]
