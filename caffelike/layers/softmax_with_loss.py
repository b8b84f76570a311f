"""SoftmaxWithLoss: softmax and the cross entropy of its labels."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._loss import (
    FLT_MIN,
    batch_size,
    check_label_count,
    check_weights,
    class_weights,
    factors,
    loss_options,
    pick,
    places_divisor,
    read_labels,
    softmax,
    softmax_gradient,
)
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("SoftmaxWithLoss", param="softmax_param", names=["VoxelSoftmaxLoss", "SoftmaxLoss"])
class SoftmaxWithLoss(Layer):
    """loss = -sum(w log p[label]) / divisor, p = softmax(x) taken as at least FLT_MIN (log p at least -87.3).

    bottoms: x, scores with the classes on `axis`, as (N, C, ...); label, one whole number 0 .. C - 1 for each place of
        x without that axis, as (N, ...) or (N, 1, ...); fractions are cut off; weight, optional: one factor for each
        item or for each label.
    tops: loss, a single number; prob, the softmax, if a second top is given.
    softmax_param: axis 1. loss_param: ignore_label (none): places with that label do not count. normalization VALID:
        the divisor, at least 1: FULL all places, VALID those that count, BATCH_SIZE the places before `axis`, NONE 1,
        PRE_FIXED (a fork's) pre_fixed_normalizer, 1.
        normalize, the old word, where normalization is absent: true VALID, false BATCH_SIZE.
    w is 1, or the weight, times class_weight (none, or one for each class), of loss_param or softmax_param; VALID then
        adds up the w of the places that count. SegNet's class_weighting with weight_by_label_freqs does the same but
        for the divisor, which stays a number of places.
    Gradient to x: w (p - 1 at the label) / divisor, 0 where ignored, plus the softmax's own from prob, which Caffe
        leaves out; with e: w ((1 - e / C) p - e / C, and 1 - e - e / C less at the label). None to label and weight.
    Errors: LabelError for a label that is no class, ShapeError for a wrong number of labels or weights, ModelError for
        a label_smoothing outside 0 .. 1.
    Source: BVLC Caffe's SoftmaxWithLoss layer; weights: happynear's and SegNet's forks; label_smoothing: Intel's, and
        Szegedy et al., "Rethinking the Inception architecture", CVPR 2016.
    """

    bottoms = ("x", "label", "weight?")
    tops = ("loss", "prob?")
    messages = ("loss_param",)
    loss = True
    no_gradient = ("label", "weight")
    backward_reads = ("label", "weight", "probability")
    honours = (
        "class_weight", "class_weighting", "weight_by_label_freqs", "normalization", "pre_fixed_normalizer",
        "label_smoothing",
    )  # fmt: skip

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read axis, normalization, class weights and smoothing."""
        self._axis = int(p.axis)
        smoothing = float(self.message.loss_param.label_smoothing)
        if not 0 <= smoothing <= 1:
            raise self.fail(f"label_smoothing is {smoothing:g}; expected is a number from 0 to 1.", ModelError)
        self.options = loss_options(self, "VALID") | class_weights(self, p.class_weight) | {"smoothing": smoothing}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, and the shape of x; `probability` is the softmax."""
        scores, label, *weight = shapes
        axis = self.options["axis"] = canonical_axis(self, self._axis, len(scores))
        batch_size(self, scores, label)
        check_label_count(self, scores, label, axis)
        check_weights(self, scores[axis], scores[:axis] + scores[axis + 1 :], weight[0] if weight else None)
        self.keep("probability", scores)
        return [(), scores][: max(1, len(self.message.top))]


def targets(smoothing: float, classes: int) -> tuple[float, float, float]:
    """(what the label's target is above the others', the others' target, the sum of all)."""
    base = smoothing / max(1, classes)
    return 1 - smoothing - base if smoothing else 1.0, base, 1 - base


def forward(
    x: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    prob: np.ndarray | None,
    probability: np.ndarray | None,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """Softmax, then the mean of the logarithms at the labels."""
    if probability is None:
        probability = np.empty_like(x) if prob is None else prob
    labels, counts = read_labels(label, x.shape[axis], ignore_label, x.shape[0])
    softmax(x, axis, probability)
    if prob is not None and prob is not probability:
        np.copyto(prob, probability)
    at_label = np.maximum(pick(probability, labels, axis), probability.dtype.type(FLT_MIN))
    weights = factors(labels, counts, weight, class_weight)
    peak, base, _ = targets(smoothing, x.shape[axis])
    logs = peak * np.log(at_label)
    if base:
        logs += base * np.log(np.maximum(probability, probability.dtype.type(FLT_MIN))).sum(axis=axis).reshape(-1)
    total = -(logs * weights)[counts].sum(dtype=np.float64)
    loss[...] = total / places_divisor(x.shape, axis, normalization, weights if weighted else counts)


def forward_made_up(
    x: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    prob: np.ndarray | None,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
) -> None:
    """Forward where labels are no classes: the probability that lies where one points, of another class or item."""
    probability = np.empty_like(x)
    softmax(x, axis, probability)
    if prob is not None:
        np.copyto(prob, probability)
    inner = int(np.prod(x.shape[axis + 1 :], dtype=np.int64))
    flat = np.nan_to_num(np.trunc(label.reshape(-1))).astype(np.int64)
    counts = np.ones(flat.size, bool) if ignore_label is None else flat != ignore_label
    item, place = np.divmod(np.arange(flat.size), inner)
    index = np.clip((item * x.shape[axis] + flat) * inner + place, 0, x.size - 1)
    found = np.maximum(probability.reshape(-1)[index], probability.dtype.type(FLT_MIN))
    total = -np.log(found)[counts].sum(dtype=np.float64)
    loss[...] = total / places_divisor(x.shape, axis, normalization, counts)


def backward(
    dloss: np.ndarray,
    dprob: np.ndarray | None,
    label: np.ndarray,
    weight: np.ndarray | None,
    probability: np.ndarray,
    dx: np.ndarray,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """dx = dloss (p - target) / divisor, and through the second top."""
    labels, counts = read_labels(label, dx.shape[axis], ignore_label, dx.shape[0])
    places = dx.shape[:axis] + dx.shape[axis + 1 :]
    index = np.expand_dims(labels.reshape(places), axis)
    peak, base, whole = targets(smoothing, dx.shape[axis])
    np.copyto(dx, probability * whole - base if base else probability)
    np.put_along_axis(dx, index, np.take_along_axis(dx, index, axis) - peak, axis)
    weights = factors(labels, counts, weight, class_weight)
    dx *= np.expand_dims(weights.reshape(places), axis).astype(dx.dtype)
    dx *= float(dloss) / places_divisor(dx.shape, axis, normalization, weights if weighted else counts)
    np.copyto(dx, 0, where=~np.expand_dims(counts.reshape(places), axis))  # where p is NaN too
    if dprob is not None:
        dx += softmax_gradient(dprob, probability, axis)
