"""pylayer.mask_layer.MaskLayer: MNC's predicted masks, as images."""

import math
from collections.abc import Sequence

from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("pylayer.mask_layer.MaskLayer")
class MaskLayer(PythonLayer):
    """Gives each region's mask, a row of numbers, its height and width.

    bottoms: x (R, S^2). tops: y (R, 1, S, S). In TEST only: while training MNC's own layer also tells which masks are
        an object's, from MNC's ground truth, which only MNC's own data layer delivers.
    param_str: nothing.
    Gradient: none. Errors: ModelError in TRAIN, and for rows that make no square.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check phase and counts."""
        if self.phase == 0:
            raise _options.fail(self, "runs in TEST only; to train put MNC's folder lib on the Python path.")
        if len(bottom) != 1 or len(top) != 1:
            raise _options.fail(self, f"takes 1 bottom and 1 top, not {len(bottom)} and {len(top)}.")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(R, 1, S, S)."""
        rows = bottom[0].shape[0]
        count = math.prod(bottom[0].shape[1:])
        side = math.isqrt(count)
        if side * side != count:
            raise _options.fail(self, f"needs as many numbers a region as a square has, but there are {count}.")
        top[0].reshape(rows, 1, side, side)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy."""
        top[0].raw_data[...] = bottom[0].raw_data.reshape(top[0].shape)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
