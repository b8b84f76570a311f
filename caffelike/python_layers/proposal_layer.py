"""rpn.proposal_layer.ProposalLayer: the regions of an image that are likely to hold an object."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _cascade, _options
from caffelike.registry import register_stand_in


@register_stand_in("rpn.proposal_layer.ProposalLayer", "pylayer.proposal_layer.ProposalLayer")
class ProposalLayer(PythonLayer):
    """Moves anchors as the region proposal network says, and keeps the best that are no doubles.

    bottoms: scores (1, 2 A, H, W), the second half of the channels those of an object; deltas (1, 4 A, H, W); info (1,
        3): the image's height, width and scale. tops: rois (R, 5): 0, x1, y1, x2, y2; scores (R, 1), if it is named;
        under MNC's name pylayer.proposal_layer instead the regions' anchors (1, R), counted place by place.
    param_str: feat_stride, required; scales 8, 16, 32; ratios 0.5, 1, 2. What py-faster-rcnn keeps in its own
        configuration may be given too: pre_nms_top_n 12000 in TRAIN, 6000 in TEST; post_nms_top_n 2000, 300 (300 with
        MNC's second top, as its cascade has it); nms_thresh 0.7; min_size 16, times the image's scale; base_size 16.
        gradient_scale changes nothing here.
    Gradient: none; under MNC's name that of rois to the deltas of the anchors that were chosen; with use_clip 1 each
        is cut to -1 / clip_base (256) .. 1 / clip_base. (MNC's own has 1 / feat_stride of it, and mixes up corners
        and centres.)
    Source: Ren et al., "Faster R-CNN", NIPS 2015; py-faster-rcnn; MNC.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        train = self.phase == 0
        self._mnc = self.layer_param.python_param.module.split(".")[0] == "pylayer"
        self.options = _options.read(
            self,
            feat_stride=None,
            scales=_rpn.SCALES,
            ratios=_rpn.RATIOS,
            base_size=16,
            pre_nms_top_n=12000 if train else 6000,
            post_nms_top_n=2000 if train and not (self._mnc and len(top) > 1) else 300,
            nms_thresh=0.7,
            min_size=16,
            use_clip=0,
            clip_base=256,
            gradient_scale=1,
        )
        if len(bottom) != 3 or not 1 <= len(top) <= 2:
            raise _options.fail(self, f"takes 3 bottoms and 1 or 2 tops, not {len(bottom)} and {len(top)}.")
        base = self.options
        self._base = _rpn.base_anchors(base["base_size"], base["ratios"], base["scales"])
        self._chosen = np.zeros(0, np.int64)
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
        objects = _rpn.by_place(scores[0, len(self._base) :], 1)[:, 0]
        self._chosen, boxes, _ = _rpn.chosen(
            objects,
            _rpn.by_place(deltas[0], 4),
            _rpn.all_anchors(self._base, scores.shape[2], scores.shape[3], options["feat_stride"]),
            (height, width),
            options["min_size"] * scale,
            options["pre_nms_top_n"],
            options["post_nms_top_n"],
            options["nms_thresh"],
        )
        more = self._chosen[None] if self._mnc else objects[self._chosen][:, None]
        for blob, values in zip(top, (np.insert(boxes[self._chosen], 0, 0, axis=1), more), strict=False):
            blob.reshape(*values.shape)
            blob.raw_data[...] = values

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """To the deltas, under MNC's name: the choice of regions is taken as given."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
        if not (self._mnc and propagate_down[1]):
            return
        deltas, options = bottom[1], self.options
        height, width = deltas.shape[2:]
        anchors = _rpn.all_anchors(self._base, height, width, options["feat_stride"])[self._chosen]
        steps = _rpn.by_place(deltas.raw_data[0], 4)[self._chosen]
        image = tuple(bottom[2].raw_data.reshape(-1)[:2])
        slopes = np.zeros((height * width * len(self._base), 4), np.float32)
        slopes[self._chosen] = _cascade.moved_backward(anchors, steps, image, top[0].raw_diff[:, 1:])[1]
        if options["use_clip"]:
            np.clip(slopes, -1 / options["clip_base"], 1 / options["clip_base"], out=slopes)
        deltas.raw_diff[0] = slopes.reshape(height, width, -1).transpose(2, 0, 1)
