"""Gram; see layers/gram.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.product import product


def forward(x: Any, y: Any) -> None:
    """A product of each item's rows with themselves."""
    items, channels, pixels, scale = _lengths(x)
    flat = x.reshape(-1)
    _gram(items, channels, channels, pixels, flat, y.reshape(-1), channels, pixels, scale)


def backward(dy: Any, x: Any, dx: Any) -> None:
    """dx = (dy + dy^T) x / (C P)."""
    items, channels, pixels, scale = _lengths(x)
    arrays = (dy.reshape(-1), x.reshape(-1), dx.reshape(-1))
    _back(items, channels, pixels, channels, *arrays, channels, pixels, scale)


def _lengths(x: Any) -> tuple[int, int, int, float]:
    """Items, channels, pixels, and what products are scaled by."""
    items, channels = int(x.shape[0]), int(x.shape[1])
    pixels = int(np.prod(tuple(x.shape)[2:], dtype=np.int64))
    return items, channels, pixels, 1.0 / max(1, channels * pixels)


def _row(b, m, k, x, y, channels, pixels, scale):
    return x[(b * channels + m) * pixels + k]


def _column(b, k, n, x, y, channels, pixels, scale):
    return x[(b * channels + n) * pixels + k]


def _to_gram(b, m, n, value, x, y, channels, pixels, scale):
    y[(b * channels + m) * channels + n] = value * scale


_gram = product(_row, _column, _to_gram)


def _both(b, m, k, dy, x, dx, channels, pixels, scale):
    return (dy[(b * channels + m) * channels + k] + dy[(b * channels + k) * channels + m]) * scale


def _values(b, k, n, dy, x, dx, channels, pixels, scale):
    return x[(b * channels + k) * pixels + n]


def _to_x(b, m, n, value, dy, x, dx, channels, pixels, scale):
    dx[(b * channels + m) * pixels + n] = value


_back = product(_both, _values, _to_x)
