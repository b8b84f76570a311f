"""mask_rcnn.mask_target_layer.MaskTargetLayer: what Mask R-CNN should say about the inside of each object's region."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("mask_rcnn.mask_target_layer.MaskTargetLayer")
class MaskTargetLayer(PythonLayer):
    """Picks the regions that are objects', and cuts masks, and cells of key-points, from what is true.

    bottoms: rois (R, 5); labels (R,), 0 for background; gt_boxes (G, 5); gt_masks (G, H, W), not 0 on the object;
        gt_keypoints (G, K, 3), optional: x, y, and 0 for a point that is not known. tops: mask_rows (M,), the rows of
        rois that are objects'; mask_rois (M, 5), those; mask_targets (M, C, S, S): in the channel of the class 1 on the
        object, 0 beside it, -1 in all others; keypoint_targets (M K,), where key-points are given: the cell of a map
        T x T on the region in which the point lies, row by row, -1 where it is not known or outside.
    A region is that object's which it overlaps most. The cell (i, j) of a mask is what the mask is in its middle. Where
        no region is an object's there is one row, row 0, with -1 everywhere: a blob without rows would end the net.
    param_str: num_classes C, required, background included; mask_size S, 14; map_size T, 56.
    Gradient: none. Errors: ModelError for bottoms and tops that do not fit.
    Source: He et al., "Mask R-CNN", ICCV 2017; the layer is our own.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        self.options = _options.read(self, num_classes=None, mask_size=14, map_size=56)
        if (len(bottom), len(top)) not in ((4, 3), (5, 4)):
            raise _options.fail(
                self,
                "takes rois, labels, gt_boxes and gt_masks to 3 tops, or gt_keypoints too to 4, not"
                f" {len(bottom)} bottoms to {len(top)} tops.",
            )
        self._shape(top, 1, bottom[4].shape[1] if len(bottom) == 5 else 0)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The tops get their shapes in forward."""

    def _shape(self, top: Sequence[Blob], rows: int, points: int) -> None:
        side = self.options["mask_size"]
        shapes = ((rows,), (rows, 5), (rows, self.options["num_classes"], side, side), (rows * points,))
        for blob, shape in zip(top, shapes, strict=False):
            blob.reshape(*shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Pick, cut."""
        rois, truth = _options.rows(bottom[0]), _options.rows(bottom[2])
        labels = bottom[1].raw_data.reshape(-1).astype(np.int64)
        masks = bottom[3].raw_data
        if masks.ndim != 3 or len(masks) != len(truth) or len(labels) != len(rois):
            raise _options.fail(
                self,
                f"needs a label for each region and a mask for each box, but rois are {rois.shape}, labels"
                f" {labels.shape}, gt_boxes {truth.shape} and gt_masks {masks.shape}.",
            )
        rows = np.flatnonzero(labels > 0)
        known = len(rows) > 0
        rows = rows if known else np.zeros(1, np.int64)
        points = bottom[4].raw_data if len(bottom) == 5 else np.zeros((len(truth), 0, 3), np.float32)
        self._shape(top, len(rows), points.shape[1])
        top[0].raw_data[...] = rows
        top[1].raw_data[...] = rois[rows]
        for blob in top[2:]:
            blob.raw_data[...] = -1
        if not known:
            return
        boxes = rois[rows, 1:]
        nearest = _rpn.overlaps(boxes, truth[:, :4]).argmax(axis=1)
        side = self.options["mask_size"]
        for target, label, box, own in zip(top[2].raw_data, labels[rows], boxes, nearest, strict=True):
            target[label] = self._cut(masks[own], box, side)
        if len(bottom) == 5:
            top[3].raw_data[...] = self._cells(points[nearest], boxes).reshape(-1)

    def _cut(self, mask: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
        """(side, side): 1 where the pixel in the middle of a cell is the object's."""
        middles = (np.arange(side) + 0.5) / side
        columns, rows = (
            np.clip(np.floor(box[a] + middles * (box[a + 2] - box[a] + 1)), 0, mask.shape[1 - a] - 1).astype(np.int64)
            for a in (0, 1)
        )
        return mask[rows[:, None], columns] > 0

    def _cells(self, points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """(M, K): each point's cell in a map on its region, or -1."""
        side = self.options["map_size"]
        size = boxes[:, 2:] - boxes[:, :2] + 1
        places = np.floor((points[:, :, :2] - boxes[:, None, :2] + 0.5) * side / size[:, None])
        inside = ((places >= 0) & (places < side)).all(axis=2) & (points[:, :, 2] > 0)
        return np.where(inside, places[:, :, 1] * side + places[:, :, 0], -1)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient: regions and targets are taken as given."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
