"""SmoothL1Loss: the loss of box regression, which outliers do not dominate."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._smooth_l1 import check_same, smooth_l1, smooth_l1_slope
from caffelike.registry import register


@register("SmoothL1Loss", param="smooth_l1_loss_param")
class SmoothL1Loss(Layer):
    """loss = sum(outside f(inside (x - target))) / N.

    f(d) = sigma^2 d^2 / 2 for |d| < 1 / sigma^2, else |d| - 1 / (2 sigma^2).
    bottoms: x (N, ...); target, inside and outside of the same shape (axes of 1 at the end do not matter); inside, a
        factor for each difference, and outside, one for each loss, are 1 where they are left out. tops: loss, a single
        number.
    sigma: 1, above 0. The divisor is the length of axis 0 alone: SSD and R-FCN divide by other counts.
    Gradient: outside inside f'(inside (x - target)) / N to x, its opposite to target; none to the factors.
    Errors: ShapeError for bottoms of different shapes, ModelError for a sigma of 0 or less.
    Source: Girshick, "Fast R-CNN", ICCV 2015, and its fork of Caffe; sigma and outside: Faster R-CNN's.
    """

    bottoms = ("x", "target", "inside?", "outside?")
    tops = ("loss",)
    loss = True
    no_gradient = ("inside", "outside")
    backward_reads = ("inside", "outside", "difference")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read sigma."""
        if not p.sigma > 0:
            raise self.fail(f"sigma must be above 0, not {p.sigma:g}.", ModelError)
        self.options = {"square": float(p.sigma) ** 2}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number; `difference` is inside (x - target)."""
        check_same(self, *shapes)
        self.keep("difference", shapes[0])
        return [()]


def forward(
    x: np.ndarray,
    target: np.ndarray,
    inside: np.ndarray | None,
    outside: np.ndarray | None,
    loss: np.ndarray,
    difference: np.ndarray | None,
    square: float,
) -> None:
    """The weighted sum of f."""
    gap = np.subtract(x, target.reshape(x.shape), out=difference)
    if inside is not None:
        gap *= inside.reshape(x.shape)
    values = smooth_l1(gap, square)
    if outside is not None:
        values *= outside.reshape(x.shape)
    loss[...] = values.sum(dtype=np.float64) / max(1, x.shape[0])


def backward(
    dloss: np.ndarray,
    inside: np.ndarray | None,
    outside: np.ndarray | None,
    difference: np.ndarray,
    dx: np.ndarray | None,
    dtarget: np.ndarray | None,
    square: float,
) -> None:
    """f', weighted on both sides."""
    slope = smooth_l1_slope(difference, square) * (float(dloss) / max(1, difference.shape[0]))
    for factors in (inside, outside):
        if factors is not None:
            slope *= factors.reshape(slope.shape)
    if dx is not None:
        dx[...] = slope
    if dtarget is not None:
        np.negative(slope.reshape(dtarget.shape), out=dtarget)
