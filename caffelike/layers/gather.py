"""Gather: collects the blobs of all processes, of which there is one here."""

from collections.abc import Sequence

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Gather", names=["Scatter"])
class Gather(Layer):
    """Every top is its bottom: with one process, gathering the batch's parts, or dealing them out, changes nothing.

    bottoms: xs, any number and shapes. tops: as many, ys.
    Gradient: dy. Errors: ModelError for another number of tops.
    Source: yjxiong's fork, where MPI processes share a batch.
    """

    bottoms = ("*xs",)
    tops = ("*ys",)

    def check_counts(self, bottoms: int, tops: int) -> None:
        """One top for each bottom."""
        super().check_counts(bottoms, tops)
        if bottoms != tops:
            raise self.fail(f"makes one top for each bottom, but has {bottoms} bottoms and {tops} tops.", ModelError)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottoms' shapes."""
        return list(shapes)


def forward(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> None:
    """Copy."""
    for x, y in zip(xs, ys, strict=True):
        np.copyto(y, x)


def backward(dys: Sequence[np.ndarray], dxs: Sequence[np.ndarray | None]) -> None:
    """Copy back."""
    for dy, dx in zip(dys, dxs, strict=True):
        if dx is not None:
            np.copyto(dx, 0 if dy is None else dy)
