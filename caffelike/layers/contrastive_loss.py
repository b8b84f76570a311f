"""ContrastiveLoss: pulls similar pairs together and pushes others apart."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_one_label_each
from caffelike.registry import register

_STEADY = 1e-4  # added to the distance that the gradient divides by


@register("ContrastiveLoss", param="contrastive_loss_param")
class ContrastiveLoss(Layer):
    """loss = sum over pairs of d^2 (similar) or max(0, margin - d)^2 (not), / (2 N), d the distance of a and b.

    bottoms: a (N, ...); b, the same shape; similar, N numbers: 0 (cut to a whole number) for pairs that are not
        similar. tops: loss, a single number.
    margin 1. legacy_version false: true takes max(0, margin - d^2) for pairs that are not similar.
    Gradient: to a, its opposite to b; (a - b) / (d + 1e-4) stands for the direction, as in Caffe. None to similar.
    Errors: ShapeError when the shapes do not fit. Source: Hadsell et al., CVPR 2006.
    """

    bottoms = ("a", "b", "similar")
    tops = ("loss",)
    loss = True
    no_gradient = ("similar",)
    backward_reads = ("difference", "similar")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read margin and version."""
        self.options = {"margin": float(p.margin), "legacy": bool(p.legacy_version)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number; `difference` is a - b."""
        a, b, similar = shapes
        items = batch_size(self, *shapes)
        if a != b:
            names = self.message.bottom
            raise self.fail(
                f"the items of a pair must have one shape, but '{names[0]}' is {a} and '{names[1]}' is {b}."
            )
        check_one_label_each(self, a, similar, 2)
        self.keep("difference", (items, int(np.prod(a[1:], dtype=np.int64))))
        return [()]


def forward(
    a: np.ndarray,
    b: np.ndarray,
    similar: np.ndarray,
    loss: np.ndarray,
    difference: np.ndarray | None,
    margin: float,
    legacy: bool,
) -> None:
    """Pair by pair."""
    gap = (a - b).reshape(a.shape[0], int(np.prod(a.shape[1:], dtype=np.int64)))
    if difference is not None:
        np.copyto(difference, gap)
    square = np.square(gap).sum(axis=1)
    apart = np.fmax(margin - square, 0) if legacy else np.square(np.fmax(margin - np.sqrt(square), 0))
    loss[...] = np.where(_is_similar(similar), square, apart).sum() / (2 * max(1, a.shape[0]))


def backward(
    dloss: np.ndarray,
    difference: np.ndarray,
    similar: np.ndarray,
    da: np.ndarray | None,
    db: np.ndarray | None,
    margin: float,
    legacy: bool,
) -> None:
    """The difference of each pair, scaled."""
    square = np.square(difference).sum(axis=1)
    if legacy:
        apart = np.where(margin - square > 0, -1.0, 0.0)
    else:
        distance = np.sqrt(square)
        apart = -np.fmax(margin - distance, 0) / (distance + _STEADY)
    weight = np.where(_is_similar(similar), 1, apart) * (float(dloss) / max(1, difference.shape[0]))
    for gradient, sign in ((da, 1), (db, -1)):
        if gradient is not None:
            np.multiply(difference, sign * weight[:, None], out=gradient.reshape(difference.shape))


def _is_similar(similar: np.ndarray) -> np.ndarray:
    return np.trunc(similar.reshape(-1)) != 0
