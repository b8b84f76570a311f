"""rpn.proposal_layer.ProposalLayer: the regions of an image that are likely to hold an object."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("rpn.proposal_layer.ProposalLayer", "pylayer.proposal_layer.ProposalLayer")
class ProposalLayer(PythonLayer):
    """Moves anchors as the region proposal network says, and keeps the best that are no doubles.

    bottoms: scores (1, 2 A, H, W), the second half of the channels those of an object; deltas (1, 4 A, H, W); info (1,
        3): the image's height, width and scale. tops: rois (R, 5): 0, x1, y1, x2, y2; scores (R, 1), if it is named.
    param_str: feat_stride, required; scales 8, 16, 32; ratios 0.5, 1, 2. What py-faster-rcnn keeps in its own
        configuration may be given too: pre_nms_top_n 12000 in TRAIN, 6000 in TEST; post_nms_top_n 2000, 300; nms_thresh
        0.7; min_size 16, times the image's scale; base_size 16. use_clip, clip_base, gradient_scale (MNC's, of the
        gradient) change nothing here.
    Gradient: none; MNC's own layer has one to deltas.
    Source: Ren et al., "Faster R-CNN", NIPS 2015; py-faster-rcnn.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        train = self.phase == 0
        self.options = _options.read(
            self,
            feat_stride=None,
            scales=_rpn.SCALES,
            ratios=_rpn.RATIOS,
            base_size=16,
            pre_nms_top_n=12000 if train else 6000,
            post_nms_top_n=2000 if train else 300,
            nms_thresh=0.7,
            min_size=16,
            use_clip=0,
            clip_base=0,
            gradient_scale=1,
        )
        if len(bottom) != 3 or not 1 <= len(top) <= 2:
            raise _options.fail(self, f"takes 3 bottoms and 1 or 2 tops, not {len(bottom)} and {len(top)}.")
        base = self.options
        self._base = _rpn.base_anchors(base["base_size"], base["ratios"], base["scales"])
        for blob, shape in zip(top, ((1, 5), (1, 1)), strict=False):
            blob.reshape(*shape)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the bottoms; the tops get their shapes in forward."""
        scores, deltas, info = (b.shape for b in bottom)
        count = len(self._base)
        if len(scores) != 4 or scores[0] != 1 or scores[1] != 2 * count or deltas != (1, 4 * count, *scores[2:]):
            raise _options.fail(
                self,
                f"has {count} anchors at a place and needs one image's scores (1, {2 * count}, H, W) and deltas (1,"
                f" {4 * count}, H, W), but they are {scores} and {deltas}.",
            )
        if int(np.prod(info)) != 3:
            raise _options.fail(self, f"needs info (1, 3): height, width, scale; but it is {info}.")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Propose."""
        scores, deltas, info = (b.raw_data for b in bottom)
        height, width, scale = info.reshape(-1)
        options = self.options
        boxes, best = _rpn.proposals(
            _rpn.by_place(scores[0, len(self._base) :], 1)[:, 0],
            _rpn.by_place(deltas[0], 4),
            _rpn.all_anchors(self._base, scores.shape[2], scores.shape[3], options["feat_stride"]),
            (height, width),
            options["min_size"] * scale,
            options["pre_nms_top_n"],
            options["post_nms_top_n"],
            options["nms_thresh"],
        )
        for blob, values in zip(top, (np.insert(boxes, 0, 0, axis=1), best[:, None]), strict=False):
            blob.reshape(*values.shape)
            blob.raw_data[...] = values

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient: the choice of regions is taken as given."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
