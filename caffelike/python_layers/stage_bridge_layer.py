"""pylayer.stage_bridge_layer.StageBridgeLayer: MNC's regions, moved for the next stage of the cascade."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("pylayer.stage_bridge_layer.StageBridgeLayer")
class StageBridgeLayer(PythonLayer):
    """Moves every region as its best class says, and cuts it to the image.

    bottoms: rois (R, 5); deltas (R, 4 C); scores (R, C), the background's included; info (1, 3): height, width, scale.
        tops: rois (R, 5): 0, x1, y1, x2, y2. In TEST only: while training MNC's own layer also samples regions and cuts
        masks from MNC's ground truth, which only MNC's own data layer delivers.
    param_str: feat_stride, use_clip, clip_base, num_classes say nothing in TEST.
    Gradient: none. Errors: ModelError in TRAIN, and for shapes that do not fit.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check phase, counts and options."""
        if self.phase == 0:
            raise _options.fail(self, "runs in TEST only; to train put MNC's folder lib on the Python path.")
        if len(bottom) != 4 or len(top) != 1:
            raise _options.fail(self, f"takes 4 bottoms and 1 top, not {len(bottom)} and {len(top)}.")
        if self.param_str:
            _options.read(self, feat_stride=16, use_clip=0, clip_base=64, num_classes=21)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """As the regions."""
        rois, deltas, scores, info = (_options.rows(blob).shape for blob in bottom)
        if rois[1] != 5 or deltas != (rois[0], 4 * scores[1]) or scores[0] != rois[0] or int(np.prod(info)) != 3:
            raise _options.fail(
                self,
                f"needs rois (R, 5), deltas (R, 4 C), scores (R, C) and info (1, 3), but they are {rois}, {deltas},"
                f" {scores} and {info}.",
            )
        top[0].reshape(*rois)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Choose, move, cut."""
        rois, deltas, scores, info = (_options.rows(blob) for blob in bottom)
        best = scores.argmax(axis=1)
        steps = deltas.reshape(len(rois), -1, 4)[np.arange(len(rois)), best]
        height, width = info.reshape(-1)[:2]
        top[0].raw_data[:, 0] = 0
        top[0].raw_data[:, 1:] = _rpn.clipped(_rpn.moved(rois[:, 1:], steps), height, width)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
