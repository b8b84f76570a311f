"""RegionLoss: the loss of YOLOv2."""

from typing import Any

import numpy as np

from caffelike.data.paths import resolve
from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers import _label_tree, _yolo
from caffelike.layers._loss import softmax
from caffelike.registry import register


@register("RegionLoss", param="region_loss_param")
class RegionLoss(Layer):
    """loss = sum(delta^2) (Intel) or sum(delta^2) / N (eric612), where delta says how wrong the predictions are.

    bottoms: x (N, num (5 + num_class), H, W): of each box the offsets x, y in the cell and its objectness (before
        sigmoids: c), the logarithms of what width and height grow by, classes (before a softmax); label.
        tops: loss, a single number.
    Labels tell the forks apart. (N, boxes of 5 numbers): class from 0, centre x, y, width, height in parts of the
        image, up to the first of width 0: eric612's. (1, 1, boxes, 8): item (-1: none), class from 1, -, x1, y1, x2,
        y2, -: Intel's.
    delta, where p is a prediction, t what it should be, and c' = c (1 - c) a sigmoid's slope (all else 0):
        objectness: noobject_scale c c', but 0 where the box overlaps some label by more than thresh.
        eric612: until 12800 items are seen, every box also has 0.01 (p - t) towards the anchor amid its cell.
        At the cell of each label, for the anchor (bias_match; else the predicted size) whose width and height overlap
        its own best: coord_scale (p - t), for x and y times c', eric612 without rescore times 2 - width height, Intel
        with p - t kept in -1..1; objectness object_scale c' (c - t), t the overlap (eric612 with rescore) or 1, for
        Intel -2 object_scale c' (1 - c)^3; classes class_scale (p - t).
    num_class 20, num 5, biases: widths and heights of anchors in cells. bias_match 1, rescore 1, object_scale 1,
        noobject_scale 0.5, class_scale 1, coord_scale 5, thresh 0.2. side 13, coords 4, softmax 1, jitter 0.2,
        absolute 1, random 1: say nothing.
    softmax_tree: a file, see `_label_tree.read_tree`: a softmax among labels that are beside each other, and delta for
        these, at the label and each of its parents, alone; classes further down get none (YOLO9000, as darknet has it;
        Caffe's forks read the word, and take one softmax of all). class_map: a file with the class of each label.
    Gradient: delta / N: by intent not the derivative of the loss. None to label.
    Errors: LabelError for a class or centre out of range; ModelError for biases or a tree that do not fit; FileError
        and DataError for the files; ShapeError for other shapes.
    Source: Redmon and Farhadi, CVPR 2017; eric612's MobileNet-YOLO and Intel's forks, whose counter of passes is
        shared by all layers: here each has its own.
    """

    bottoms = ("x", "label")
    tops = ("loss",)
    loss = True
    no_gradient = ("label",)
    backward_reads = ("delta",)
    folder: str = ""

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the anchors."""
        tree = _label_tree.flat(p.num_class)
        if p.softmax_tree:
            tree = _label_tree.read_tree(resolve(p.softmax_tree, self.folder))
            if len(tree) != p.num_class:
                raise self.fail(f"softmax_tree has {len(tree)} labels, but num_class is {p.num_class}.", ModelError)
        self.options = {
            "anchors": tuple(map(tuple, _yolo.anchors(self, p.biases, (), p.num).tolist())),
            "thresh": float(p.thresh),
            "scales": (p.object_scale, p.noobject_scale, p.class_scale, p.coord_scale),
            "bias_match": bool(p.bias_match),
            "rescore": bool(p.rescore),
            "seen": np.zeros(1, np.int64),
            "tree": tree,
            "kinds": _label_tree.read_map(resolve(p.class_map, self.folder), p.num_class) if p.class_map else (),
        }
        self._boxes, self._classes = int(p.num), int(p.num_class)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        x, label = shapes
        _yolo.check_map(self, x, self._boxes, self._classes)
        intel = len(label) == 4 and label[:2] == (1, 1) and label[3] == 8
        if not intel and (not label or label[0] != x[0] or np.prod(label[1:], dtype=np.int64) % 5):
            raise self.fail(
                f"needs labels (1, 1, boxes, 8), or 5 numbers a box for each of {x[0]} items, but"
                f" '{self.message.bottom[1]}' is {label}."
            )
        self.options["intel"] = intel
        self.save("delta", x)
        return [()]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    delta: np.ndarray,
    anchors: tuple[tuple[float, float], ...],
    thresh: float,
    scales: tuple[float, float, float, float],
    bias_match: bool,
    rescore: bool,
    seen: np.ndarray,
    intel: bool,
    tree: _label_tree.Tree,
    kinds: tuple[int, ...],
) -> None:
    """All boxes against all labels, then label by label."""
    items, height, width = x.shape[0], *x.shape[2:]
    p = x.reshape(items, len(anchors), -1, height, width).astype(np.float64)
    p[:, :, :2] = _yolo.sigmoid(p[:, :, :2])
    p[:, :, 4] = _yolo.sigmoid(p[:, :, 4])
    for start, stop in sorted({group[:2] for group in tree}):
        part = p[:, :, 5 + start : 5 + stop]
        softmax(part, 2, part)
    sizes = np.array(anchors) / (width, height)
    boxes = np.moveaxis(_yolo.decode(p, sizes), 2, -1)
    wrong = np.zeros(p.shape)
    c = p[:, :, 4]
    wrong[:, :, 4] = scales[1] * c * c * (1 - c)
    if not intel and items and seen[0] < 12800 // items:
        offsets = p[:, :, :2]
        wrong[:, :, :2] = 0.01 * (offsets - 0.5) * offsets * (1 - offsets)
        wrong[:, :, 2:4] = 0.01 * p[:, :, 2:4]
    for item in range(items):
        labels = _yolo.read_boxes(label, item, len(kinds) or p.shape[2] - 5, intel)
        if kinds:
            labels[:, 0] = np.array(kinds)[labels[:, 0].astype(np.int64)]
        for box in labels[:, 1:]:
            wrong[item, :, 4][_yolo.overlap(boxes[item], box) > thresh] = 0
        for row in labels:
            _one(row, p[item], boxes[item], wrong[item], sizes, scales, bias_match, rescore, intel, tree)
    seen += 1
    loss[...] = np.square(wrong).sum() / (1 if intel else max(1, items))
    delta[...] = wrong.reshape(delta.shape)


def backward(dloss: np.ndarray, delta: np.ndarray, dx: np.ndarray) -> None:
    """What forward found."""
    np.multiply(delta, float(dloss) / max(1, len(delta)), out=dx)


def _one(
    row: np.ndarray,
    p: np.ndarray,
    boxes: np.ndarray,
    wrong: np.ndarray,
    sizes: np.ndarray,
    scales: tuple[float, float, float, float],
    bias_match: bool,
    rescore: bool,
    intel: bool,
    tree: _label_tree.Tree,
) -> None:
    """Enter one label into `wrong` (A, 5 + classes, H, W)."""
    kind, x, y, w, h = int(row[0]), *row[1:]
    height, width = p.shape[2:]
    j, i = int(y * height), int(x * width)
    shown = sizes if bias_match else boxes[:, j, i, 2:]
    best = int(np.argmax(_yolo.overlap(np.insert(shown, (0, 0), 0, axis=1), np.array([0, 0, w, h]))))
    values, out = p[best, :, j, i], wrong[best, :, j, i]
    object_scale, _, class_scale, coord_scale = scales
    gap = values[:4] - [x * width - i, y * height - j, np.log(w / sizes[best, 0]), np.log(h / sizes[best, 1])]
    gap = np.clip(gap, -1, 1) if intel else gap * (1 if rescore else 2 - w * h)
    gap[:2] *= values[:2] * (1 - values[:2])
    out[:4] = coord_scale * gap
    slope = values[4] * (1 - values[4])
    aim = _yolo.overlap(boxes[best, j, i], row[1:]) if rescore and not intel else 1
    out[4] = object_scale * slope * (-2 * (1 - values[4]) ** 3 if intel else values[4] - aim)
    while kind >= 0:
        start, stop, parent = tree[kind]
        out[5 + start : 5 + stop] = class_scale * values[5 + start : 5 + stop]
        out[5 + kind] -= class_scale
        kind = parent
