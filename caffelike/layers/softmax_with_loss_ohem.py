"""SoftmaxWithLossOHEM: softmax and cross entropy with each region's own share, for picking the hard ones."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._loss import (
    FLT_MIN,
    batch_size,
    check_label_count,
    loss_options,
    pick,
    places_divisor,
    read_labels,
    softmax,
)
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register


@register("SoftmaxWithLossOHEM", param="softmax_param")
class SoftmaxWithLossOHEM(Layer):
    """loss = -sum(log p[label]) / divisor, p = softmax(x) taken as at least FLT_MIN: SoftmaxWithLoss with a third top.

    bottoms: x, scores with the classes on `axis`, as (N, C, ...); label, one whole number 0 .. C - 1 for each place.
    tops: loss, a single number; prob, the softmax; each, shaped as label: -log p of each place, 0 where ignored.
    softmax_param: axis 1. loss_param: ignore_label (none): places with that label do not count. normalization VALID:
        the divisor, at least 1: FULL all places, VALID those that count, BATCH_SIZE the places before `axis`, NONE 1,
        PRE_FIXED pre_fixed_normalizer, 1. normalize, the old word, where normalization is absent: true VALID, false
        BATCH_SIZE.
    Gradient to x: (p - 1 at the label) / divisor from loss alone, 0 where ignored. None to label.
    Errors: LabelError for a label that is no class, ShapeError for a wrong number of labels.
    Source: Dai et al., "R-FCN", NIPS 2016, and its fork of Caffe; OHEM: Shrivastava et al., CVPR 2016.
    """

    bottoms = ("x", "label")
    tops = ("loss", "prob?", "each?")
    messages = ("loss_param",)
    loss = True
    no_gradient = ("label",)
    backward_reads = ("label", "probability")
    honours = ("normalization", "pre_fixed_normalizer")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read axis and normalization."""
        self._axis = int(p.axis)
        self.options = loss_options(self, "VALID")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number, the shape of x and the shape of label."""
        scores, label = shapes
        axis = self.options["axis"] = canonical_axis(self, self._axis, len(scores))
        batch_size(self, scores, label)
        check_label_count(self, scores, label, axis)
        self.keep("probability", scores)
        return [(), scores, label][: max(1, len(self.message.top))]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    prob: np.ndarray | None,
    each: np.ndarray | None,
    probability: np.ndarray | None,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
) -> None:
    """Softmax, and the logarithms at the labels."""
    if probability is None:
        probability = np.empty_like(x) if prob is None else prob
    labels, counts = read_labels(label, x.shape[axis], ignore_label, x.shape[0])
    softmax(x, axis, probability)
    if prob is not None and prob is not probability:
        np.copyto(prob, probability)
    values = -np.log(np.maximum(pick(probability, labels, axis), probability.dtype.type(FLT_MIN)))
    values[~counts] = 0
    loss[...] = values.sum(dtype=np.float64) / places_divisor(x.shape, axis, normalization, counts)
    if each is not None:
        each[...] = values.reshape(each.shape)


def backward(
    dloss: np.ndarray,
    label: np.ndarray,
    probability: np.ndarray,
    dx: np.ndarray,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
) -> None:
    """dx = dloss (p - one-hot label) / divisor."""
    labels, counts = read_labels(label, dx.shape[axis], ignore_label, dx.shape[0])
    places = dx.shape[:axis] + dx.shape[axis + 1 :]
    index = np.expand_dims(labels.reshape(places), axis)
    np.copyto(dx, probability)
    np.put_along_axis(dx, index, np.take_along_axis(dx, index, axis) - 1, axis)
    dx *= float(dloss) / places_divisor(dx.shape, axis, normalization, counts)
    np.copyto(dx, 0, where=~np.expand_dims(counts.reshape(places), axis))
