"""A small array that acts along some axes of a large one: what Scale, Bias and PReLU share."""

import numpy as np

from caffelike.kernels.cpu.sums import dot, total
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk
_COLUMNS = 256
_NONE = np.empty(0, np.float32)


def lengths(large: np.ndarray, small: np.ndarray, axis: int) -> tuple[int, int, int]:
    """How many values of `large` lie before, along and behind the axes, from `axis` on, that `small` acts along."""
    outer = inner = 1
    if small.ndim == 0:
        return 1, 1, large.size
    for n in large.shape[:axis]:
        outer *= n
    for n in large.shape[axis + small.ndim :]:
        inner *= n
    return outer, small.size, inner


def multiply_add(
    x: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    y: np.ndarray,
    axis: int,
    clip: bool = False,
    slope: float = 0.0,
) -> None:
    """y = x scale + bias; clip: then ReLU with this slope. y may be x."""
    small = bias if scale is None else scale
    assert small is not None
    outer, along, inner = lengths(x, small, axis)
    factors, offsets = (_NONE if a is None else a.reshape(-1) for a in (scale, bias))
    arrays = (x.reshape(-1), y.reshape(-1), factors, offsets, along)
    if inner == 1:
        _lines(outer, max(1, _GRAIN // max(1, along)), *arrays, clip, slope)
    else:
        _planes(outer * along, max(1, _GRAIN // max(1, inner)), *arrays, inner, clip, slope)


def sums(large: np.ndarray, factor: np.ndarray | None, small: np.ndarray, to: np.ndarray, axis: int, beta: int) -> None:
    """to = beta to + the sum of large (times factor, of the same shape) over the axes that `small` is spread over."""
    outer, along, inner = lengths(large, small, axis)
    factor = _NONE if factor is None else factor.reshape(-1)
    arrays = (large.reshape(-1), factor, to.reshape(-1), outer, along)
    if inner == 1:
        _column_sums(along, _COLUMNS, *arrays, beta)
    else:
        _plane_sums(along, max(1, _GRAIN // max(1, outer * inner)), *arrays, inner, beta)


def multiply_back(
    dy: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray,
    dscale: np.ndarray,
    dbias: np.ndarray | None,
    axis: int,
    beta: int,
    beta_bias: int,
) -> None:
    """All gradients of y = x scale + bias; dx may be dy. Gradients of scale and bias are added to where beta is 1."""
    outer, along, inner = lengths(x, scale, axis)
    if inner == 1:
        sums(dy, x, scale, dscale, axis, beta)
        if dbias is not None:
            sums(dy, None, scale, dbias, axis, beta_bias)
        multiply_add(dy, scale, None, dx, axis)
        return
    grain = max(1, _GRAIN // max(1, outer * inner))
    bias = _NONE if dbias is None else dbias.reshape(-1)
    arrays = (dy.reshape(-1), x.reshape(-1), scale.reshape(-1), dx.reshape(-1), dscale.reshape(-1), bias)
    _back(along, grain, *arrays, outer, inner, beta, beta_bias)


@task
def _back(worker, lo, hi, dy, x, scale, dx, dscale, dbias, outer, inner, beta, beta_bias):
    """The channels lo..hi; a plane is still in the cache when its values are read again."""
    for c in range(lo, hi):
        products, plain, a = 0.0, 0.0, scale[c]
        for o in range(outer):
            at = (o * scale.size + c) * inner
            g, there = dy[at : at + inner], dx[at : at + inner]
            products += dot(g, x[at : at + inner])
            if dbias.size:
                plain += total(g)
            if g.ctypes.data == there.ctypes.data:
                for i in range(inner):
                    there[i] *= a
            else:
                for i in range(inner):
                    there[i] = g[i] * a
        dscale[c] = (dscale[c] + products) if beta else products
        if dbias.size:
            dbias[c] = (dbias[c] + plain) if beta_bias else plain


@task
def _planes(worker, lo, hi, x, y, factors, offsets, along, inner, clip, slope):
    """The planes lo..hi of `inner` values with one factor and offset."""
    one, zero, slope = np.float32(1), np.float32(0), np.float32(slope)
    for q in range(lo, hi):
        a = factors[q % along] if factors.size else one
        b = offsets[q % along] if offsets.size else zero
        here, there = x[q * inner : (q + 1) * inner], y[q * inner : (q + 1) * inner]
        if here.ctypes.data == there.ctypes.data:  # a loop over one array only, or LLVM does not vectorise
            for i in range(inner):
                there[i] = there[i] * a + b
        else:
            for i in range(inner):
                there[i] = here[i] * a + b
        if clip:
            for i in range(inner):
                v = there[i]
                there[i] = (v if v > zero else zero) + slope * (zero if v > zero else v)


@task
def _lines(worker, lo, hi, x, y, factors, offsets, along, clip, slope):
    """The lines lo..hi of `along` values, each with its own factor and offset."""
    zero, slope = np.float32(0), np.float32(slope)
    for q in range(lo, hi):
        here, there = x[q * along : (q + 1) * along], y[q * along : (q + 1) * along]
        for i in range(along):
            v = here[i] * factors[i] if factors.size else here[i]
            there[i] = v + offsets[i] if offsets.size else v
        if clip:
            for i in range(along):
                v = there[i]
                there[i] = (v if v > zero else zero) + slope * (zero if v > zero else v)


@task
def _plane_sums(worker, lo, hi, large, factor, to, outer, along, inner, beta):
    for c in range(lo, hi):
        result = 0.0
        for o in range(outer):
            at = (o * along + c) * inner
            if factor.size:
                result += dot(large[at : at + inner], factor[at : at + inner])
            else:
                result += total(large[at : at + inner])
        to[c] = (to[c] + result) if beta else result


@task
def _column_sums(worker, lo, hi, large, factor, to, outer, along, beta):
    sums = np.zeros(_COLUMNS)
    for o in range(outer):
        here = large[o * along + lo : o * along + hi]
        if factor.size:
            other = factor[o * along + lo : o * along + hi]
            for i in range(hi - lo):
                sums[i] += here[i] * other[i]
        else:
            for i in range(hi - lo):
                sums[i] += here[i]
    for i in range(hi - lo):
        to[lo + i] = (to[lo + i] + sums[i]) if beta else sums[i]
