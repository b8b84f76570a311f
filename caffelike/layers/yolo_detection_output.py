"""YoloDetectionOutput: the boxes that YOLOv2 finds."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers import _yolo
from caffelike.layers._loss import softmax
from caffelike.registry import register


@register("YoloDetectionOutput", param="yolo_detection_output_param")
class YoloDetectionOutput(_yolo.DetectionLayer):
    """Decodes maps of boxes, and drops those that overlap better ones.

    bottoms: one map or more (N, num_box (5 + num_classes), H, W): of each box the offsets x, y in the cell (before a
        sigmoid), the logarithms of what width and height grow by, objectness (before a sigmoid), class scores (before a
        softmax). tops: y (1, 1, rows, 7): item, label from 1, score, x1, y1, x2, y2 in parts of the image, the best of
        an item first; where nothing is found a row of -1 for each item, its number in front.
    num_classes 20, num_box 5, biases: widths and heights of the anchors in cells, for all maps. confidence_threshold
        0.01: the least objectness times best class. nms_threshold 0.45: a box that overlaps a better one by as much is
        dropped, whatever their classes. side 13, coords 4, label_map_file: say nothing.
    Gradient: none. Errors: ShapeError for other channels, ModelError for too few biases.
    Source: Redmon and Farhadi, CVPR 2017; eric612's MobileNet-YOLO fork, which mixes the items of a batch into one:
        here each is by itself.
    """

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check the maps."""
        p = self.message.yolo_detection_output_param
        for blob in bottom:
            _yolo.check_map(self, blob.shape, p.num_box, p.num_classes)
        self._anchors = _yolo.anchors(self, p.biases, (), p.num_box)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """All maps of an item together."""
        p = self.message.yolo_detection_output_param
        found: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(bottom[0].shape[0])]
        for blob in bottom:
            x = _yolo.by_box(blob, p.num_box)
            x[:, :, :2] = _yolo.sigmoid(x[:, :, :2])
            boxes = _yolo.decode(x, self._anchors / blob.shape[:1:-1])
            softmax(x[:, :, 5:], 2, x[:, :, 5:])
            labels = x[:, :, 5:].argmax(axis=2)
            scores = x[:, :, 5:].max(axis=2) * _yolo.sigmoid(x[:, :, 4])
            for item, good in enumerate(scores >= p.confidence_threshold):
                n, h, w = np.nonzero(good)
                found[item].append((boxes[item, n, :, h, w], labels[item, n, h, w], scores[item, n, h, w]))
        together = [tuple(np.concatenate(parts) for parts in zip(*item, strict=True)) for item in found]
        _yolo.report(top[0], len(found), together, p.nms_threshold)  # type: ignore[arg-type]
