"""Normalize; see layers/normalize.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import empty, fill, task
from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, y: Any, scale: Any, norm: Any, across_spatial: bool, eps: float) -> None:
    """Lengths, quotients, scale."""
    group, inner, channels, behind = _lengths(x, across_spatial)
    v, lengths = x.reshape(-1), norm.reshape(-1)
    _squares(norm.size, group, lengths, 0, v, group, inner)
    _roots(norm.size, lengths, eps)
    factors = lengths if scale is None else scale
    several = scale is not None and scale.size > 1
    arrays = (v, lengths, factors, y.reshape(-1))
    _forward(x.size, *arrays, scale is not None, several, group, inner, channels, behind)


def backward(
    dy: Any,
    x: Any,
    scale: Any,
    norm: Any,
    dx: Any,
    dscale: Any,
    across_spatial: bool,
    fixed: bool,
    beta: float,
) -> None:
    """dx = (g - u sum(g u)) / norm with u = x / norm and g = scale dy; dscale = sum(dy u)."""
    group, inner, channels, behind = _lengths(x, across_spatial)
    g, v, lengths = dy.reshape(-1), x.reshape(-1), norm.reshape(-1)
    several = scale is not None and scale.size > 1
    if dscale is not None and fixed:
        if not beta:
            fill(dscale, 0)
    elif dscale is not None:
        each = x.size // dscale.size
        width = channels if dscale.size > 1 else 1
        _scales(dscale.size, each, dscale, beta, g, v, lengths, width, behind if width > 1 else x.size, group, inner)
    if dx is None:
        return
    factors, along = (lengths if scale is None else scale), empty(norm.size)
    more = (scale is not None, several, group, inner, channels, behind)
    _along(norm.size, group, along, 0, g, v, lengths, factors, *more)
    _backward(dx.size, g, v, lengths, along, factors, dx.reshape(-1), *more)


def _lengths(x: Any, across_spatial: bool) -> tuple[int, int, int, int]:
    """How many values share a length, how far they lie apart; channels, and values behind each."""
    channels, behind = int(x.shape[1]), int(np.prod(tuple(x.shape)[2:], dtype=np.int64))
    return (channels * behind, 1, channels, behind) if across_spatial else (channels, behind, channels, behind)


@summed
def _squares(o, k, x, group, inner):
    v = x[(o // inner * group + k) * inner + o % inner]
    return v * v


@task
def _roots(i, norm, eps):
    norm[i] = sqrt(norm[i] + eps)


@task
def _forward(i, x, norm, scale, y, scaled, several, group, inner, channels, behind):
    v = x[i] / norm[i // (group * inner) * inner + i % inner]
    if scaled:
        v = v * scale[i // behind % channels if several else 0]
    y[i] = v


@summed
def _scales(c, k, dy, x, norm, channels, behind, group, inner):
    i = (k // behind * channels + c) * behind + k % behind
    return dy[i] * (x[i] / norm[i // (group * inner) * inner + i % inner])


@summed
def _along(o, k, dy, x, norm, scale, scaled, several, group, inner, channels, behind):
    i = (o // inner * group + k) * inner + o % inner
    v = dy[i] * (x[i] / norm[o])
    return v * scale[i // behind % channels if several else 0] if scaled else v


@task
def _backward(i, dy, x, norm, along, scale, dx, scaled, several, group, inner, channels, behind):
    o, g = i // (group * inner) * inner + i % inner, dy[i]
    if scaled:
        g = g * scale[i // behind % channels if several else 0]
    dx[i] = (g - x[i] / norm[o] * along[o]) / norm[o]
