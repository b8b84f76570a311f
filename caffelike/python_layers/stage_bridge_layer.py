"""pylayer.stage_bridge_layer.StageBridgeLayer: MNC's regions, moved for the next stage of the cascade."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _cascade, _options, _sampling
from caffelike.registry import register_stand_in

_OBJECT = 0.5


@register_stand_in("pylayer.stage_bridge_layer.StageBridgeLayer")
class StageBridgeLayer(PythonLayer):
    """Moves every region as its best class says, and cuts it to the image; while training also tells what it is.

    bottoms: rois (R, 5); deltas (R, 4 C); scores (R, C), the background's included; info (1, 3): height, width, scale.
        tops: rois (R, 5): 0, x1, y1, x2, y2.
    To train: bottoms rois, deltas, scores, gt_boxes (G, 5), gt_masks, info, mask_info, see RoIDataLayer; the background
        is never the best class. Tops, of the moved regions and the boxes of gt_boxes, those first that overlap one by
        0.5: rois (R + G, 5), labels (R + G,), mask_targets (R + G, 1, 21, 21), mask_weight, gt_masks_info (R + G, 12),
        see `_cascade.describe`; bbox_targets, bbox_inside_weights, bbox_outside_weights (R + G, 4 C). Deltas are taken
        as they are, targets less means (0, 0, 0, 0), divided by stds (0.1, 0.1, 0.2, 0.2), as MNC has it.
    param_str: num_classes 21; use_clip 0, clip_base 64: see below; means, stds; feat_stride says nothing.
    Gradient: while training that of rois to rois and deltas, none through what was cut off; with use_clip 1 that to
        deltas is cut to -1 / clip_base .. 1 / clip_base. (MNC's own has 1 / feat_stride of that to deltas, and mixes up
        corners and centres.)
    Errors: ModelError for shapes that do not fit.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check counts and read the options."""
        if (len(bottom), len(top)) not in ((7, 8), (4, 1)):
            raise _options.fail(
                self, f"takes 7 bottoms with 8 tops to train, 4 with 1 to test, not {len(bottom)} with {len(top)}."
            )
        self._train = len(top) > 1
        words = {name: _sampling.DEFAULTS[name] for name in ("means", "stds")}
        defaults: dict[str, Any] = {"feat_stride": 16, "use_clip": 0, "clip_base": 64, "num_classes": 21, **words}
        self.options = _options.read(self, **defaults) if self.param_str else defaults
        self._kept = self._best = np.zeros(0, np.int64)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """As many as there are regions, and objects."""
        info = bottom[5 if self._train else 3].shape
        rois, deltas, scores = (_options.rows(blob).shape for blob in bottom[:3])
        if rois[1] != 5 or deltas != (rois[0], 4 * scores[1]) or scores[0] != rois[0] or int(np.prod(info)) != 3:
            raise _options.fail(
                self,
                f"needs rois (R, 5), deltas (R, 4 C), scores (R, C) and info (1, 3), but they are {rois}, {deltas},"
                f" {scores} and {info}.",
            )
        count = rois[0] + (bottom[3].shape[0] if self._train else 0)
        masks, width = (count, 1, _cascade.SIZE, _cascade.SIZE), (count, deltas[1])
        for blob, shape in zip(
            top, ((count, 5), (count,), masks, masks, (count, 12), width, width, width), strict=False
        ):
            blob.reshape(*shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Choose, move, cut; sort and describe."""
        rois, deltas, scores = (_options.rows(blob) for blob in bottom[:3])
        height, width, scale = bottom[5 if self._train else 3].raw_data.reshape(-1)
        self._best = scores[:, 1:].argmax(axis=1) + 1 if self._train else scores.argmax(axis=1)
        moved = _rpn.clipped(_rpn.moved(rois[:, 1:], self._steps(deltas)), height, width)
        if not self._train:
            top[0].raw_data[:, 0] = 0
            top[0].raw_data[:, 1:] = moved
            return
        truth = _options.rows(bottom[3])
        boxes = np.concatenate([moved, _rpn.clipped(truth[:, :4], height, width)])
        common = _rpn.overlaps(boxes, truth[:, :4]) if len(truth) else np.zeros((len(boxes), 1), np.float32)
        near = common.argmax(axis=1)
        objects = np.flatnonzero(common.max(axis=1) >= _OBJECT)
        others = np.flatnonzero(common.max(axis=1) < _OBJECT)
        self._kept = np.concatenate([objects, others])
        everything = np.insert(boxes, 0, 0, axis=1)
        found = _sampling.describe(everything, truth, objects, others, near, deltas.shape[1] // 4, self.options)
        masks = _cascade.describe(
            found.rois[:, 1:],
            truth[:, :4],
            near[self._kept],
            found.labels,
            bottom[4].raw_data,
            bottom[6].raw_data,
            scale,
        )
        values = (found.rois, found.labels, *masks, found.targets, found.inside, found.inside)
        for blob, array in zip(top, values, strict=True):
            blob.raw_data[...] = array

    def _steps(self, deltas: np.ndarray) -> np.ndarray:
        """The deltas (R, 4) of each region's best class."""
        return deltas.reshape(len(deltas), -1, 4)[np.arange(len(deltas)), self._best]

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """To the regions and their deltas, while training."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
        if not self._train or not any(propagate_down[:2]):
            return
        rois, deltas = (_options.rows(blob) for blob in bottom[:2])
        slopes = np.zeros((len(self._kept), 4), np.float32)
        slopes[self._kept] = top[0].raw_diff[:, 1:]
        image = tuple(bottom[5].raw_data.reshape(-1)[:2])
        to_boxes, to_steps = _cascade.moved_backward(rois[:, 1:], self._steps(deltas), image, slopes[: len(rois)])
        if propagate_down[0]:
            bottom[0].raw_diff.reshape(-1, 5)[:, 1:] = to_boxes
        if propagate_down[1]:
            if self.options["use_clip"]:
                to_steps = np.clip(to_steps, -1 / self.options["clip_base"], 1 / self.options["clip_base"])
            places = bottom[1].raw_diff.reshape(len(rois), -1, 4)
            places[np.arange(len(rois)), self._best] = to_steps
