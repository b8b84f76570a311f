"""Axpy: a channel times its scale plus another blob, as squeeze-and-excitation blocks end."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Axpy")
class Axpy(Layer):
    """y[n, c] = scale[n, c] * x[n, c] + shift[n, c].

    bottoms: scale (N, C) or (N, C, 1, 1); x (N, C, ...); shift, of x's shape. tops: y, of x's shape.
    Gradient: to all three. Errors: ShapeError for bottoms that do not fit.
    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018 (hujie-frank's SENet).
    """

    bottoms = ("scale", "x", "shift")
    backward_reads = ("scale", "x")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The shape of x."""
        scale, x, shift = shapes
        if len(x) < 2 or scale[:2] != x[:2] or any(n != 1 for n in scale[2:]) or shift != x:
            raise self.fail(
                f"needs one scale for each item and channel, and two blobs of one shape (N, C, ...), but they are"
                f" {scale}, {x} and {shift}."
            )
        return [x]


def forward(scale: np.ndarray, x: np.ndarray, shift: np.ndarray, y: np.ndarray) -> None:
    """One product and one sum."""
    np.multiply(scale.reshape(*x.shape[:2], *(1,) * (x.ndim - 2)), x, out=y)
    y += shift


def backward(
    dy: np.ndarray,
    scale: np.ndarray,
    x: np.ndarray,
    dscale: np.ndarray | None,
    dx: np.ndarray | None,
    dshift: np.ndarray | None,
) -> None:
    """dscale = sum(dy x) over each channel's places, dx = scale dy, dshift = dy."""
    if dscale is not None:
        places = tuple(range(2, x.ndim))
        dscale[...] = (dy * x).sum(axis=places, dtype=np.float64).reshape(dscale.shape)
    if dx is not None:
        np.multiply(scale.reshape(*x.shape[:2], *(1,) * (x.ndim - 2)), dy, out=dx)
    if dshift is not None:
        np.copyto(dshift, dy)
