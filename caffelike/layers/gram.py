"""Gram: which channels of a map are active together, wherever in the map that is."""

import math

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Gram")
class Gram(Layer):
    """y[n, i, j] = sum over places p of x[n, i, p] x[n, j, p] / (C P), for C channels and P places.

    bottoms: x (N, C, ...). tops: y (N, C, C).
    Gradient: to x. Errors: ShapeError for a bottom without a channel axis.
    Source: L. Gatys, A. Ecker, M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016;
    divided by the number of values as J. Johnson et al. do (ECCV 2016): it does not depend on the size of the picture.
    """

    bottoms = ("x",)
    backward_reads = ("x",)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, C)."""
        (x,) = shapes
        if len(x) < 2:
            raise self.fail(f"needs a bottom (N, C, ...), but it is {x}.")
        return [(x[0], x[1], x[1])]


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """A product of matrices for each item."""
    rows = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    np.matmul(rows, rows.transpose(0, 2, 1), out=y)
    y /= max(1, rows.shape[1] * rows.shape[2])


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray) -> None:
    """dx = (dy + dy^T) x / (C P)."""
    rows = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    both = (dy + dy.transpose(0, 2, 1)) / max(1, rows.shape[1] * rows.shape[2])
    dx[...] = (both.astype(x.dtype) @ rows).reshape(x.shape)
