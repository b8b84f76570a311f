"""Yolov3DetectionOutput: the boxes that YOLOv3 finds at several scales."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.errors import ModelError
from caffelike.layers import _yolo
from caffelike.registry import register


@register("Yolov3DetectionOutput", param="yolov3_detection_output_param")
class Yolov3DetectionOutput(_yolo.DetectionLayer):
    """Decodes maps of boxes of several scales, and drops those that overlap better ones.

    bottoms: mask_group_num maps (N, num_box (5 + num_classes), H, W): of each box the offsets x, y in the cell (before
        a sigmoid), the logarithms of what width and height grow by, objectness and classes (before sigmoids). tops: y
        (1, 1, rows, 7): item, label from 1, score, x1, y1, x2, y2 in parts of the image, the best of an item first;
        where nothing is found a row of -1 for each item, its number in front.
    num_classes 20, num_box 3. biases: widths and heights of all anchors, in pixels of an image of anchors_scale W x
        anchors_scale H. mask: which of them each map has, one map after the other. anchors_scale: one number for each
        map, pixels a cell. mask_group_num 2. confidence_threshold 0.01: objectness times class must be above; a box may
        be found for several classes. nms_threshold 0.45: one that overlaps a better one by as much is dropped,
        whatever their classes.
    Gradient: none. Errors: ShapeError for other channels, ModelError for biases, masks and scales that do not fit, and
        gaussian_box: true.
    Source: Redmon and Farhadi, "YOLOv3", 2018; eric612's MobileNet-YOLO fork, which mixes the items of a batch into
        one: here each is by itself.
    """

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check the maps, pick the anchors of each."""
        p = self.message.yolov3_detection_output_param
        maps = len(bottom)
        if p.gaussian_box:
            raise self.fail("gaussian_box: true (8 coordinates with variances) cannot be computed.", ModelError)
        if p.mask_group_num != maps or len(p.anchors_scale) < maps or len(p.mask) % maps:
            raise self.fail(
                f"has {maps} bottoms, mask_group_num {p.mask_group_num}, {len(p.anchors_scale)} anchors_scale and"
                f" {len(p.mask)} mask; needs as many groups and scales as bottoms, and a multiple of that of masks.",
                ModelError,
            )
        each = len(p.mask) // maps
        self._anchors = []
        for i, blob in enumerate(bottom):
            _yolo.check_map(self, blob.shape, p.num_box, p.num_classes)
            self._anchors.append(_yolo.anchors(self, p.biases, p.mask[i * each : (i + 1) * each], p.num_box))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """All maps of an item together."""
        p = self.message.yolov3_detection_output_param
        found: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(bottom[0].shape[0])]
        for blob, sizes, scale in zip(bottom, self._anchors, p.anchors_scale, strict=False):
            x = _yolo.by_box(blob, p.num_box)
            x[:, :, :2] = _yolo.sigmoid(x[:, :, :2])
            boxes = _yolo.decode(x, sizes / (np.array(blob.shape[:1:-1]) * scale))
            scores = _yolo.sigmoid(x[:, :, 5:]) * _yolo.sigmoid(x[:, :, 4:5])
            for item, good in enumerate(scores > p.confidence_threshold):
                n, label, h, w = np.nonzero(good)
                found[item].append((boxes[item, n, :, h, w], label, scores[item, n, label, h, w]))
        together = [tuple(np.concatenate(parts) for parts in zip(*item, strict=True)) for item in found]
        _yolo.report(top[0], len(found), together, p.nms_threshold)  # type: ignore[arg-type]
