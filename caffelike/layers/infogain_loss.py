"""InfogainLoss: softmax and a cross entropy that weighs each mistake by a matrix."""

import os
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._loss import (
    LOG_THRESHOLD,
    batch_size,
    check_label_count,
    check_weights,
    class_weights,
    factors,
    loss_options,
    places_divisor,
    read_labels,
    softmax,
    softmax_gradient,
)
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("InfogainLoss", param="infogain_loss_param")
class InfogainLoss(Layer):
    """loss = -sum over places and classes k of w H[label, k] log p[k] / divisor, p = softmax(x), at least 1e-20.

    bottoms: x, scores with the K classes on `axis`; label, one whole number for each place; H, K * K values, unless
        `source` gives it; weight, optional, behind H: one factor for each item or for each label.
    tops: loss, a single number; prob, the softmax, if a second top is given.
    infogain_loss_param: source, a .binaryproto with H; axis 1. loss_param: ignore_label (none), normalization VALID
        (as for SoftmaxWithLoss), class_weight (none, or one for each class). w is the label's times the weight, else 1;
        VALID adds up the w of the places that count.
    Gradient to x: w (p times the sum of H's row - the row) / divisor, 0 where ignored, plus the softmax's own from
        prob, which Caffe leaves out. None to label, H and weight.
    Errors: LabelError for a label that is no class; ShapeError for a wrong number of labels or weights or size of H.
    Source: BVLC Caffe 1.0's InfogainLoss layer (before 1.0 it took probabilities); weights: our own.
    """

    bottoms = ("x", "label", "H?", "weight?")
    tops = ("loss", "prob?")
    messages = ("loss_param",)
    loss = True
    no_gradient = ("label", "H", "weight")
    backward_reads = ("label", "H", "weight", "probability")
    honours = ("class_weight",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options and the matrix."""
        self._axis = int(p.axis)
        self.options = loss_options(self, "VALID", legacy=False)
        self.options["class_weight"] = class_weights(self)["class_weight"]
        if len(shapes) < 3:
            if not p.HasField("source"):
                raise self.fail(
                    "has no matrix; add a third bottom, or infogain_loss_param { source: ... }.", ModelError
                )
            self.options["H"] = self._read(p.source)

    def _read(self, source: str) -> np.ndarray:
        from caffelike.schema.weights import read_mean

        beside = os.path.join(getattr(self, "folder", ""), source)
        return read_mean(beside if not os.path.exists(source) and os.path.exists(beside) else source)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, and the shape of x; `probability` is the softmax."""
        scores, label, *more = shapes
        axis = self.options["axis"] = canonical_axis(self, self._axis, len(scores))
        batch_size(self, scores, label)
        check_label_count(self, scores, label, axis)
        shape = more[0] if more else self.options["H"].shape
        if int(np.prod(shape, dtype=np.int64)) != scores[axis] ** 2:
            raise self.fail(f"the matrix must hold {scores[axis]} x {scores[axis]} values, but it is {shape}.")
        places = scores[:axis] + scores[axis + 1 :]
        check_weights(self, scores[axis], places, more[1] if len(more) > 1 else None, bottom=3)
        self.keep("probability", scores)
        return [(), scores][: max(1, len(self.message.top))]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    H: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    prob: np.ndarray | None,
    probability: np.ndarray | None,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """Softmax, then the weighted logarithms."""
    if probability is None:
        probability = np.empty_like(x) if prob is None else prob
    labels, counts = read_labels(label, x.shape[axis], ignore_label, x.shape[0])
    softmax(x, axis, probability)
    if prob is not None and prob is not probability:
        np.copyto(prob, probability)
    weights = factors(labels, counts, weight, class_weight)
    terms = np.log(np.maximum(probability, LOG_THRESHOLD)) * _rows(H, labels, weights, x.shape, axis)
    np.copyto(terms, 0, where=_ignored(counts, x.shape, axis))  # where p is NaN too
    loss[...] = -terms.sum(dtype=np.float64) / places_divisor(x.shape, axis, normalization, weights)


def backward(
    dloss: np.ndarray,
    dprob: np.ndarray | None,
    label: np.ndarray,
    H: np.ndarray,
    weight: np.ndarray | None,
    probability: np.ndarray,
    dx: np.ndarray,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """dx = dloss (p sum(row) - row) / divisor, and through the second top."""
    labels, counts = read_labels(label, dx.shape[axis], ignore_label, dx.shape[0])
    weights = factors(labels, counts, weight, class_weight)
    rows = _rows(H, labels, weights, dx.shape, axis)
    np.multiply(probability, rows.sum(axis=axis, keepdims=True), out=dx)
    dx -= rows
    dx *= float(dloss) / places_divisor(dx.shape, axis, normalization, weights)
    np.copyto(dx, 0, where=_ignored(counts, dx.shape, axis))
    if dprob is not None:
        dx += softmax_gradient(dprob, probability, axis)


def _ignored(counts: np.ndarray, shape: Shape, axis: int) -> np.ndarray:
    """Which places' labels are ignored, with an axis of length 1 for the classes."""
    return ~np.expand_dims(counts.reshape(shape[:axis] + shape[axis + 1 :]), axis)


def _rows(H: np.ndarray, labels: np.ndarray, weights: np.ndarray, shape: Shape, axis: int) -> np.ndarray:
    """H's row for the label of each place times its weight (0 where it is ignored), with the classes on `axis`."""
    rows = H.reshape(shape[axis], -1)[labels] * weights.astype(H.dtype)[:, None]
    return np.moveaxis(rows.reshape(*shape[:axis], *shape[axis + 1 :], shape[axis]), -1, axis)
