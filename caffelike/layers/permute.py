"""Permute: the axes in another order."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register


@register("Permute", param="permute_param")
class Permute(Layer):
    """y = x with its axes in the order `order`, as numpy.transpose(x, order).

    bottoms: x. tops: y, of x's sizes in that order.
    order: axes of x, first to last; those that are not named follow in their own order.
    Gradient: dy, with the axes put back.
    Errors: ModelError for an axis that x does not have, or that is named twice.
    Source: Liu et al., "SSD", ECCV 2016 (weiliu89's fork).
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the order and complete it."""
        (shape,) = shapes
        order = [int(axis) for axis in p.order]
        for axis in order:
            if axis >= len(shape):
                raise self.fail(
                    f"order: {axis}, but the bottom {shape} has the axes 0 to {len(shape) - 1}.", ModelError
                )
        if len(set(order)) < len(order):
            raise self.fail(f"order names an axis twice: {order}.", ModelError)
        order += [axis for axis in range(len(shape)) if axis not in order]
        self.options = {"order": tuple(order)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's sizes in the new order."""
        (shape,) = shapes
        order = self.options["order"]
        if len(shape) != len(order):
            raise self.fail(f"was set up for {len(order)} axes, but the bottom is {shape} now.")
        return [tuple(shape[axis] for axis in order)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """The pixel, wherever it is put."""
        return Sees.PIXEL


def forward(x: np.ndarray, y: np.ndarray, order: tuple[int, ...]) -> None:
    """A copy in the new order."""
    y[...] = x.transpose(order)


def backward(dy: np.ndarray, dx: np.ndarray, order: tuple[int, ...]) -> None:
    """And back."""
    dx.transpose(order)[...] = dy
