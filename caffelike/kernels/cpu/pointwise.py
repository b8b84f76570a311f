"""Loops over formulas that map every value by itself, in place or not."""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.kernels.jit import with_globals
from caffelike.kernels.launch import task


def unary(formula: Any, grain: int = 1 << 14) -> Callable[..., None]:
    """f(x, y, *numbers): y = formula(x, numbers), value by value; y may be x.

    formula: a module global made with @kernel; it gets `numbers` as a tuple of what was given (Python floats arrive as
    float64). grain: values in a chunk.
    """
    run = task(with_globals(_unary, _name(formula), formula=formula))

    def call(x: np.ndarray, y: np.ndarray, *numbers: float) -> None:
        run(y.size, grain, x.reshape(-1), y.reshape(-1), numbers)

    return call


def binary(formula: Any, grain: int = 1 << 14) -> Callable[..., None]:
    """f(a, b, y, *numbers): y = formula(a, b, numbers), value by value; y may be a. See `unary`."""
    run = task(with_globals(_binary, _name(formula), formula=formula))

    def call(a: np.ndarray, b: np.ndarray, y: np.ndarray, *numbers: float) -> None:
        run(y.size, grain, a.reshape(-1), b.reshape(-1), y.reshape(-1), numbers)

    return call


def _name(formula: Any) -> str:
    """Unique, for it is what the compiled loop is kept under."""
    return f"{formula.py_func.__module__}.{formula.py_func.__qualname__}"


# LLVM vectorises for arrays that do not overlap, so values that are replaced need a loop that names one array only.


def _unary(worker, lo, hi, x, y, numbers):
    x, y = x[lo:hi], y[lo:hi]
    if x.ctypes.data == y.ctypes.data:
        for i in range(hi - lo):
            y[i] = formula(y[i], numbers)  # noqa: F821
    else:
        for i in range(hi - lo):
            y[i] = formula(x[i], numbers)  # noqa: F821


def _binary(worker, lo, hi, a, b, y, numbers):
    a, b, y = a[lo:hi], b[lo:hi], y[lo:hi]
    if a.ctypes.data == y.ctypes.data:
        for i in range(hi - lo):
            y[i] = formula(y[i], b[i], numbers)  # noqa: F821
    else:
        for i in range(hi - lo):
            y[i] = formula(a[i], b[i], numbers)  # noqa: F821
