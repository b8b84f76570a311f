"""Formulas that map every value by itself, in place or not."""

from collections.abc import Callable
from typing import Any

from caffelike.kernels.cuda.door import device, named, task


def unary(function: Callable) -> Callable[..., None]:
    """f(x, y, *numbers): y = function(x, *numbers), value by value; y may be x."""
    formula = device(function)

    def item(i, x, y, numbers):
        y[i] = formula(x[i], *numbers)

    run = task(named(item, function))

    def call(x: Any, y: Any, *numbers: float) -> None:
        run(y.size, x.reshape(-1), y.reshape(-1), numbers)

    return call


def binary(function: Callable) -> Callable[..., None]:
    """f(a, b, y, *numbers): y = function(a, b, *numbers), value by value; y may be a or b."""
    formula = device(function)

    def item(i, a, b, y, numbers):
        y[i] = formula(a[i], b[i], *numbers)

    run = task(named(item, function))

    def call(a: Any, b: Any, y: Any, *numbers: float) -> None:
        run(y.size, a.reshape(-1), b.reshape(-1), y.reshape(-1), numbers)

    return call
