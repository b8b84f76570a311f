"""Eltwise: sum, product or maximum of blobs, value by value."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Eltwise", param="eltwise_param")
class Eltwise(Layer):
    """SUM: y = sum of coeff_i x_i. PROD: the product of all x_i. MAX: the largest x_i.

    bottoms: two or more, of one shape. tops: y, the same shape.
    operation SUM. coeff: one for each bottom, SUM only; default 1 each. stable_prod_grad true: PROD's gradient
    multiplies the other bottoms; false: it divides y by the bottom (faster for many, NaN at 0).
    MAX: of the first two bottoms the second wins a tie (and against NaN), a later one only if it is greater.
    Gradient: SUM coeff_i dy; PROD the product of the others times dy; MAX dy to the winner.
    Errors: ModelError for options or fewer than two bottoms, ShapeError for different shapes.
    Source: BVLC Caffe's Eltwise layer.
    """

    bottoms = ("*xs",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read operation and coefficients."""
        operation = type(p).EltwiseOp.Name(p.operation)
        if len(shapes) < 2:
            raise self.fail(f"takes 2 or more bottom blobs, but {len(shapes)} is given.", ModelError)
        coeff = tuple(float(c) for c in p.coeff)
        if coeff and operation != "SUM":
            raise self.fail(f"coeff is for operation: SUM only, not for {operation}; remove it.", ModelError)
        if len(coeff) not in (0, len(shapes)):
            raise self.fail(
                f"coeff is given {len(coeff)} times for {len(shapes)} bottoms; give one for each.", ModelError
            )
        stable = bool(p.stable_prod_grad)
        self.options = {"operation": operation, "coeff": coeff or (1.0,) * len(shapes), "stable": stable}
        if operation != "MAX":
            self.options["winner"] = None
        reads = {"SUM": (), "PROD": ("xs",) if stable else ("xs", "y"), "MAX": ("winner",)}
        self.backward_reads = reads[operation]  # type: ignore[misc]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottoms' shape; `winner` is the number of the bottom that MAX took."""
        for i, shape in enumerate(shapes):
            if shape != shapes[0]:
                names = self.message.bottom
                raise self.fail(
                    f"all bottoms must have one shape, but '{names[0]}' is {shapes[0]} and '{names[i]}' is {shape}."
                )
        if self.options["operation"] == "MAX":
            self.keep("winner", shapes[0], np.int32)
        return [shapes[0]]


def forward(
    xs: tuple[np.ndarray, ...],
    y: np.ndarray,
    winner: np.ndarray | None,
    operation: str,
    coeff: tuple[float, ...],
) -> None:
    """One bottom after the other."""
    if operation == "SUM":
        np.multiply(xs[0], coeff[0], out=y)
        for x, factor in zip(xs[1:], coeff[1:], strict=True):
            y += x if factor == 1 else x * factor
    elif operation == "PROD":
        np.multiply(xs[0], xs[1], out=y)
        for x in xs[2:]:
            y *= x
    else:
        first = xs[0] > xs[1]
        np.copyto(y, np.where(first, xs[0], xs[1]))
        if winner is not None:
            winner[...] = ~first
        for i, x in enumerate(xs[2:], 2):
            greater = x > y
            np.copyto(y, x, where=greater)
            if winner is not None:
                np.copyto(winner, i, where=greater)


def adds(operation: str, coeff: tuple[float, ...]) -> bool:
    """Whether y is the sum of two bottoms and no more."""
    return operation == "SUM" and coeff == (1, 1)


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
    """To each bottom that wants it."""
    for i, dx in enumerate(dxs):
        if dx is None:
            continue
        if operation == "SUM":
            np.multiply(dy, coeff[i], out=dx)
        elif operation == "MAX":
            np.multiply(dy, winner == i, out=dx)
        elif stable:
            np.copyto(dx, dy)
            for other in (*xs[:i], *xs[i + 1 :]):
                dx *= other
        else:
            np.divide(y, xs[i], out=dx)
            dx *= dy
