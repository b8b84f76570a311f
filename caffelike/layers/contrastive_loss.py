"""ContrastiveLoss: pulls similar pairs together and pushes others apart."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import batch_size, check_one_label_each, check_weights, class_weights, factors
from caffelike.registry import register

_STEADY = 1e-4  # added to the distance that the gradient divides by


@register("ContrastiveLoss", param="contrastive_loss_param")
class ContrastiveLoss(Layer):
    """loss = sum over pairs of w d^2 (similar) or w max(0, margin - d)^2 (not), / (2 N), d the distance of a and b.

    bottoms: a (N, ...); b, the same shape; similar, N numbers: 0 (cut to a whole number) for pairs that are not
        similar; weight, optional: one factor for each pair. tops: loss, a single number.
    margin 1. legacy_version false: true takes max(0, margin - d^2) for pairs that are not similar.
    loss_param: class_weight (none, or two: of pairs that are not similar, of those that are); w is that times the
        weight, else 1.
    Gradient: to a, its opposite to b; (a - b) / (d + 1e-4) stands for the direction, as in Caffe. None to similar and
        weight.
    Errors: ShapeError when the shapes do not fit. Source: Hadsell et al., CVPR 2006; weights: our own.
    """

    bottoms = ("a", "b", "similar", "weight?")
    tops = ("loss",)
    messages = ("loss_param",)
    loss = True
    no_gradient = ("similar", "weight")
    backward_reads = ("difference", "similar", "weight")
    honours = ("class_weight",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read margin, version and class weights."""
        self.options = {"margin": float(p.margin), "legacy": bool(p.legacy_version)}
        self.options["class_weight"] = class_weights(self)["class_weight"]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number; `difference` is a - b."""
        a, b, similar, *weight = shapes
        items = batch_size(self, *shapes)
        if a != b:
            names = self.message.bottom
            raise self.fail(
                f"the items of a pair must have one shape, but '{names[0]}' is {a} and '{names[1]}' is {b}."
            )
        check_one_label_each(self, a, similar, 2)
        check_weights(self, 2, a[:1], weight[0] if weight else None, bottom=3)
        self.keep("difference", (items, int(np.prod(a[1:], dtype=np.int64))))
        return [()]


def forward(
    a: np.ndarray,
    b: np.ndarray,
    similar: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    difference: np.ndarray | None,
    margin: float,
    legacy: bool,
    class_weight: tuple[float, ...],
) -> None:
    """Pair by pair."""
    gap = (a - b).reshape(a.shape[0], int(np.prod(a.shape[1:], dtype=np.int64)))
    if difference is not None:
        np.copyto(difference, gap)
    square = np.square(gap).sum(axis=1)
    apart = np.fmax(margin - square, 0) if legacy else np.square(np.fmax(margin - np.sqrt(square), 0))
    alike, weights = _is_similar(similar, weight, class_weight)
    loss[...] = (np.where(alike, square, apart) * weights).sum() / (2 * max(1, a.shape[0]))


def backward(
    dloss: np.ndarray,
    difference: np.ndarray,
    similar: np.ndarray,
    weight: np.ndarray | None,
    da: np.ndarray | None,
    db: np.ndarray | None,
    margin: float,
    legacy: bool,
    class_weight: tuple[float, ...],
) -> None:
    """The difference of each pair, scaled."""
    square = np.square(difference).sum(axis=1)
    if legacy:
        apart = np.where(margin - square > 0, -1.0, 0.0)
    else:
        distance = np.sqrt(square)
        apart = -np.fmax(margin - distance, 0) / (distance + _STEADY)
    alike, weights = _is_similar(similar, weight, class_weight)
    slope = np.where(alike, 1, apart) * weights * (float(dloss) / max(1, difference.shape[0]))
    for gradient, sign in ((da, 1), (db, -1)):
        if gradient is not None:
            np.multiply(difference, sign * slope[:, None], out=gradient.reshape(difference.shape))


def _is_similar(
    similar: np.ndarray, weight: np.ndarray | None, class_weight: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs are similar, and the weights of all."""
    alike = np.trunc(similar.reshape(-1)) != 0
    weights = factors(alike.astype(np.int64), np.ones(alike.shape, bool), weight, class_weight)
    return alike, weights.astype(similar.dtype)
