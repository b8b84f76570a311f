"""pylayer.mask_layer.MaskLayer: MNC's predicted masks, as images."""

import math
from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _cascade, _options
from caffelike.registry import register_stand_in

_HALF = 0.5


@register_stand_in("pylayer.mask_layer.MaskLayer")
class MaskLayer(PythonLayer):
    """Gives each region's mask, a row of numbers, its height and width.

    bottoms: x (R, S^2). tops: y (R, 1, S, S). To train also bottoms gt_masks (G, rows, columns) and gt_masks_info (R,
        12), see `_cascade.describe`; and a top label (R,): that of a region's object where the mask, in the region's
        size and from 0.4 on, overlaps the object's by half (intersection over union), else 0.
    param_str: nothing.
    Gradient: that of y, to the regions with a label; without labels none.
    Errors: ModelError for rows that make no square.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check counts."""
        if (len(bottom), len(top)) not in ((3, 2), (1, 1)):
            raise _options.fail(
                self, f"takes 3 bottoms with 2 tops to train, 1 with 1 to test, not {len(bottom)} with {len(top)}."
            )

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(R, 1, S, S)."""
        rows = bottom[0].shape[0]
        count = math.prod(bottom[0].shape[1:])
        side = math.isqrt(count)
        if side * side != count:
            raise _options.fail(self, f"needs as many numbers a region as a square has, but there are {count}.")
        top[0].reshape(rows, 1, side, side)
        if len(top) > 1:
            top[1].reshape(rows)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy, and label."""
        masks = bottom[0].raw_data.reshape(top[0].shape)
        top[0].raw_data[...] = masks
        if len(top) == 1:
            return
        truth = bottom[1].raw_data
        for i, info in enumerate(bottom[2].raw_data.reshape(len(masks), -1)):
            at, rows, columns, label = info[:4].astype(np.int64)
            top[1].raw_data[i] = 0
            if at >= 0:
                own, its = _cascade.rounded(info[4:8]), _cascade.rounded(info[8:12])
                found = _cascade.overlap(own, its, _cascade.fitted(masks[i, 0], own), truth[at, :rows, :columns])
                top[1].raw_data[i] = label if found >= _HALF else 0

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """To the regions with a label."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
        if propagate_down[0] and len(top) > 1:
            rows = top[1].raw_data > 0
            slopes = bottom[0].raw_diff.reshape(top[0].shape)
            slopes[rows] = top[0].raw_diff[rows]
