"""Yolov3: the loss of one scale of YOLOv3."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers import _yolo
from caffelike.registry import register


@register("Yolov3", param="yolov3_param")
class Yolov3(Layer):
    """loss = sum(delta^2) / N, where delta says by how much the predictions are wrong.

    bottoms: x (N, num (5 + num_class), H, W): of each box the offsets x, y in the cell (before a sigmoid), the
        logarithms of what width and height grow by, objectness and classes (before sigmoids); label (N, boxes of 5
        numbers): class from 0, centre x, y, width, height in parts of the image, up to the first of width 0.
        tops: loss, a single number.
    delta, where p is a prediction after its sigmoid and t what it should be (all else 0):
        objectness: p, but 0 where the box overlaps some label by more than thresh (intersection over union);
        at the cell of each label, for the anchor among all biases whose width and height overlap its own best, if mask
        has that: x, y, log width, log height: coord_scale (2 - width height) (p - t); objectness p - 1, times
        object_scale with use_logic_gradient; classes class_scale (p - t). A second label there sets only its own
        class, to p - 1, where the first class's delta is not 0. With use_focal_loss the classes' are multiplied by
        -0.5 (1 - q) (2 q log q + q - 1), q the p of the label's class.
    num_class 20, num 5. biases: widths and heights of all anchors, in pixels of an image of anchors_scale W x
        anchors_scale H; mask: those of this scale. anchors_scale 32, thresh 0.2, object_scale 1, class_scale 1,
        coord_scale 5. side 13, noobject_scale 0.5: say nothing. iou_normalizer 0.25,
        iou_thresh 0.5, max_delta 10, accumulate true, label_smooth_eps 0.1 of the fork's later versions are not used.
    Gradient: delta / N, times the sigmoid's slope p (1 - p) with use_logic_gradient (not for width and height): by
        intent not the derivative of the loss. None to label.
    Errors: LabelError for a class beyond num_class or a centre outside the image; ModelError for biases and masks that
        do not fit, and an iou_loss other than MSE; ShapeError for other channels.
    Source: Redmon and Farhadi, "YOLOv3", 2018; eric612's MobileNet-YOLO fork.
    """

    bottoms = ("x", "label")
    tops = ("loss",)
    loss = True
    no_gradient = ("label",)
    backward_reads = ("delta",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the anchors."""
        if type(p).IOU_LOSS.Name(p.iou_loss) != "MSE":
            raise self.fail("iou_loss other than MSE cannot be computed.", ModelError)
        pairs = len(p.biases) // 2
        mask = tuple(int(m) for m in p.mask) or tuple(range(p.num))
        _yolo.anchors(self, p.biases, mask, p.num)
        self.options = {
            "mask": mask[: p.num],
            "anchors": tuple((float(p.biases[2 * i]), float(p.biases[2 * i + 1])) for i in range(pairs)),
            "cell": int(p.anchors_scale),
            "thresh": float(p.thresh),
            "scales": (float(p.object_scale) if p.use_logic_gradient else 1.0, p.class_scale, p.coord_scale),
            "logic": bool(p.use_logic_gradient),
            "focal": bool(p.use_focal_loss),
        }
        self._boxes, self._classes = int(p.num), int(p.num_class)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        x, label = shapes
        _yolo.check_map(self, x, self._boxes, self._classes)
        if not label or label[0] != x[0] or np.prod(label[1:], dtype=np.int64) % 5:
            raise self.fail(
                f"needs labels of 5 numbers a box for each of {x[0]} items, but '{self.message.bottom[1]}' is {label}."
            )
        self.save("delta", x)
        return [()]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    delta: np.ndarray,
    mask: tuple[int, ...],
    anchors: tuple[tuple[float, float], ...],
    cell: int,
    thresh: float,
    scales: tuple[float, float, float],
    logic: bool,
    focal: bool,
) -> None:
    """All boxes against all labels, then label by label."""
    items, height, width = x.shape[0], *x.shape[2:]
    shape = (items, len(mask), -1, height, width)
    p = x.reshape(shape).astype(np.float64)
    p[:, :, :2] = _yolo.sigmoid(p[:, :, :2])
    p[:, :, 4:] = _yolo.sigmoid(p[:, :, 4:])
    sizes = np.array(anchors) / (width * cell, height * cell)
    boxes = np.moveaxis(_yolo.decode(p, sizes[list(mask)]), 2, -1)
    wrong = np.zeros(p.shape)
    wrong[:, :, 4] = p[:, :, 4]
    for item in range(items):
        labels = _yolo.read_boxes(label, item, p.shape[2] - 5)
        for box in labels[:, 1:]:
            wrong[item, :, 4][_yolo.overlap(boxes[item], box) > thresh] = 0
        for row in labels:
            _one(row, p[item], wrong[item], mask, sizes, scales, focal)
    loss[...] = np.square(wrong).sum() / max(1, items)
    if logic:
        slope = p * (1 - p)
        slope[:, :, 2:4] = 1
        wrong *= slope
    delta[...] = wrong.reshape(delta.shape)


def backward(dloss: np.ndarray, delta: np.ndarray, dx: np.ndarray) -> None:
    """What forward found."""
    np.multiply(delta, float(dloss) / max(1, len(delta)), out=dx)


def _one(
    row: np.ndarray,
    p: np.ndarray,
    wrong: np.ndarray,
    mask: tuple[int, ...],
    sizes: np.ndarray,
    scales: tuple[float, float, float],
    focal: bool,
) -> None:
    """Enter one label into `wrong` (A, 5 + classes, H, W)."""
    kind, x, y, w, h = int(row[0]), *row[1:]
    centred = np.insert(sizes, (0, 0), 0, axis=1)
    best = int(np.argmax(_yolo.overlap(centred, np.array([0, 0, w, h]))))
    if best not in mask:
        return
    height, width = p.shape[2:]
    j, i = int(y * height), int(x * width)
    at = (mask.index(best), slice(None), j, i)
    values, out = p[at], wrong[at]
    object_scale, class_scale, coord_scale = scales
    target = [x * width - i, y * height - j, np.log(w / sizes[best, 0]), np.log(h / sizes[best, 1])]
    out[:4] = coord_scale * (2 - w * h) * (values[:4] - target)
    out[4] = object_scale * (values[4] - 1)
    if out[5]:  # an earlier label's
        out[5 + kind] = values[5 + kind] - 1
        return
    out[5:] = class_scale * (values[5:] - np.eye(len(values) - 5)[kind])
    if focal:
        q = values[5 + kind] + 1e-15
        out[5:] *= -0.5 * (1 - q) * (2 * q * np.log(q) + q - 1)
