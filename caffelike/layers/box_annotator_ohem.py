"""BoxAnnotatorOHEM: keeps the labels of the regions with the greatest losses, and drops the others'."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("BoxAnnotatorOHEM", param="box_annotator_ohem_param")
class BoxAnnotatorOHEM(Layer):
    """Online hard example mining: of each image's regions the `roi_per_img` with the greatest losses train.

    bottoms: rois (N, 5, ...), their first number the image's; losses (N, 1, ...), one for each region; labels (N, 1,
        ...); weights (N, C, ...). All have the same axes behind the second. tops: kept_labels (N, 1, H, W), the label
        of a kept region, else ignore_label; kept_weights (N, C, H, W), its weights, else 0.
    roi_per_img: required, at least 1. ignore_label: -1. Of regions with equal losses the first is kept.
    Gradient: none.
    Errors: ShapeError for bottoms that do not fit, ModelError for a roi_per_img of 0.
    Source: Dai et al., "R-FCN", NIPS 2016, and its fork of Caffe; OHEM: Shrivastava et al., CVPR 2016.
    """

    bottoms = ("rois", "losses", "labels", "weights")
    tops = ("kept_labels", "kept_weights")
    no_gradient = ("rois", "losses", "labels", "weights")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read how many regions stay."""
        if p.roi_per_img < 1:
            raise self.fail("needs box_annotator_ohem_param { roi_per_img: ... } of at least 1.", ModelError)
        self.options = {"roi_per_img": int(p.roi_per_img), "ignore_label": int(p.ignore_label)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, 1, H, W) and (N, C, H, W)."""
        whole = [(*shape, 1, 1, 1, 1)[: max(4, len(shape))] for shape in shapes]
        rois, weights = whole[0], whole[3]
        for name, shape, given, channels in zip(self.message.bottom, whole, shapes, (5, 1, 1, weights[1]), strict=True):
            wanted = (rois[0], channels, *rois[2:])
            if shape != wanted:
                raise self.fail(f"'{name}' is {given}, but {wanted} is expected for {rois[0]} regions.")
        return [(rois[0], 1, *rois[2:]), weights]


def forward(
    rois: np.ndarray,
    losses: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    kept_labels: np.ndarray,
    kept_weights: np.ndarray,
    roi_per_img: int,
    ignore_label: int,
) -> None:
    """The greatest losses first, for one image after the other."""
    items = rois[:, 0].astype(np.int64).reshape(-1)
    order = np.argsort(-losses.reshape(-1), kind="stable")
    kept = np.zeros(order.size, bool)
    for item in np.unique(items):
        kept[order[items[order] == item][:roi_per_img]] = True
    where = kept.reshape(kept_labels.shape)
    np.copyto(kept_labels, np.where(where, labels.reshape(kept_labels.shape), ignore_label))
    np.copyto(kept_weights, np.where(where, weights.reshape(kept_weights.shape), 0))
