"""EvalDetection: which of YOLO's boxes are right, for a mean average precision."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers import _yolo
from caffelike.layers._loss import softmax
from caffelike.registry import register

_LOW = 0.005  # YOLOv2's boxes of a lower score are left out


@register("EvalDetection", param="eval_detection_param")
class EvalDetection(Layer):
    """For each item: how many labels each class has, then a row for each predicted box that is kept.

    bottoms: x, label, ignored (an image, whose numbers say nothing). tops: y (N, num_class + 4 num_object side^2): the
        counts, then rows of class, score, right, wrong, by class and from the best score down; then zeros. A box is
        right if the label of its class that it overlaps most, by threshold or more, is not taken yet, else wrong;
        neither if that label is difficult.
    With biases, YOLOv2: x (N, num_object (5 + num_class), side, side), each box x, y, width, height, objectness (before
        a sigmoid), classes (before a softmax); label as RegionLoss takes it. Boxes below a score of 0.005 are left out.
    Without, YOLOv1: x (N, side^2 (num_class + 5 num_object)): for every cell the classes' probabilities, objectness of
        each box, then 4 numbers a box; label (N, 7 side^2): for every cell 1 for a difficult object, 1 for an object,
        its class, then x, y, width, height in parts of the image. constriant true: x, y are places in the cell. sqrt
        true: width and height are roots.
    side 7, num_class 20, num_object 2, threshold 0.5. score_type MULTIPLY: objectness times the best class's
    probability, OBJ, PROB: one of them. nms -1: from 0 up boxes are left out that a better one, of any class, overlaps
    so much.
    Gradient: none. Errors: ModelError for biases that do not fit, ShapeError for shapes, LabelError for a class or
    centre out of range. Source: Redmon et al., CVPR 2016 and 2017; xingwangsfu's caffe-yolo and Intel's fork of Caffe,
    which finds no YOLOv2 box at all without nms.
    """

    bottoms = ("x", "label", "ignored?")
    no_gradient = ("x", "label", "ignored")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        self._side, boxes = int(p.side), int(p.num_object)
        if min(self._side, boxes, int(p.num_class)) < 1:
            raise self.fail("side, num_class and num_object must be at least 1.", ModelError)
        anchors = tuple(map(tuple, _yolo.anchors(self, p.biases, (), boxes).tolist())) if p.biases else ()
        self.options = {
            "boxes": boxes,
            "classes": int(p.num_class),
            "anchors": anchors,
            "threshold": float(p.threshold),
            "score": type(p).ScoreType.Name(p.score_type),
            "nms": float(p.nms),
            "in_cells": bool(p.constriant),
            "roots": bool(p.sqrt),
            "side": self._side,
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, num_class + 4 num_object side^2)."""
        x, label = shapes[:2]
        boxes, classes, cells = self.options["boxes"], self.options["classes"], self._side**2
        if self.options["anchors"]:
            _yolo.check_map(self, x, boxes, classes)
            intel = len(label) == 4 and label[-1] == 8
            fits = x[2:] == (self._side,) * 2 and (intel or label[:1] == x[:1])
            if not intel and int(np.prod(label[1:])) % 5:
                fits = False
        else:
            wanted = (cells * (classes + 5 * boxes), cells * 7)
            found = tuple(int(np.prod(shape[1:], dtype=np.int64)) for shape in (x, label))
            fits = found == wanted and x[:1] == label[:1]
        if not fits:
            raise self.fail(
                f"the bottoms {x} and {label} do not fit side {self._side}, num_object {boxes} and num_class {classes}."
            )
        return [(x[0], classes + 4 * boxes * cells)]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    ignored: np.ndarray | None,
    y: np.ndarray,
    boxes: int,
    classes: int,
    anchors: tuple,
    threshold: float,
    score: str,
    nms: float,
    in_cells: bool,
    roots: bool,
    side: int,
) -> None:
    """Item by item, class by class."""
    y[...] = 0
    for item, out in enumerate(y):
        if anchors:
            places, objectness, classed = _second(x[item], anchors, classes)
            intel = label.ndim == 4 and label.shape[-1] == 8
            flat = label if intel else label.reshape(len(label), -1)
            true = _yolo.read_boxes(flat, item, classes, intel)
            difficult = np.zeros(len(true), bool)
        else:
            places, objectness, classed = _first(x[item].reshape(-1), side, boxes, classes, in_cells, roots)
            true, difficult = _cells(label[item].reshape(-1), side)
        kinds, best = classed.argmax(axis=1), classed.max(axis=1)
        scores = {"OBJ": objectness, "PROB": best, "MULTIPLY": objectness * best}[score]
        order = _yolo.suppress(places, scores, nms) if nms >= 0 else np.argsort(-scores, kind="stable")
        if anchors:
            order = order[scores[order] >= _LOW]
        out[:classes] = np.bincount(true[~difficult, 0].astype(np.int64), minlength=classes)[:classes]
        order = order[np.argsort(kinds[order], kind="stable")]
        judged = _judge(kinds[order], places[order], true, difficult, threshold)
        rows = np.column_stack([kinds[order], scores[order], judged])
        out[classes : classes + rows.size] = rows.ravel()


def _second(x: np.ndarray, anchors: tuple, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """YOLOv2's boxes (K, 4), objectness (K,) and classes (K, classes), by cell and then by anchor."""
    side = x.shape[1:]
    maps = x.reshape(len(anchors), 5 + classes, *side).astype(np.float64)
    maps[:, :2] = _yolo.sigmoid(maps[:, :2])
    places = _yolo.decode(maps[:, :4], np.array(anchors) / side[::-1])
    softmax(maps[:, 5:], 1, maps[:, 5:])
    by_cell = [np.moveaxis(part, (2, 3), (0, 1)) for part in (places, _yolo.sigmoid(maps[:, 4:5]), maps[:, 5:])]
    return by_cell[0].reshape(-1, 4), by_cell[1].reshape(-1), by_cell[2].reshape(-1, classes)


def _first(
    x: np.ndarray, side: int, boxes: int, classes: int, in_cells: bool, roots: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """YOLOv1's, by cell and then by box."""
    parts = x.astype(np.float64).reshape(-1, side * side)
    probabilities, objectness = parts[:classes].T, parts[classes : classes + boxes].T
    places = parts[classes + boxes :].T.reshape(side * side, boxes, 4).copy()
    if in_cells:
        cell = np.arange(side * side)[:, None]
        places[..., 0] = (cell % side + places[..., 0]) / side
        places[..., 1] = (cell // side + places[..., 1]) / side
    if roots:
        places[..., 2:] **= 2
    return places.reshape(-1, 4), objectness.reshape(-1), probabilities.repeat(boxes, axis=0)


def _cells(label: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """YOLOv1's labels (n, 5): class, centre, width, height; and which are difficult."""
    cells = side * side
    there = np.flatnonzero(label[cells : 2 * cells])
    places = label[3 * cells :].reshape(cells, 4)[there]
    return np.column_stack([np.trunc(label[2 * cells : 3 * cells][there]), places]), label[there] == 1


def _judge(
    kinds: np.ndarray, places: np.ndarray, true: np.ndarray, difficult: np.ndarray, threshold: float
) -> np.ndarray:
    """(K, 2): right, wrong of boxes sorted by score."""
    judged = np.zeros((len(kinds), 2))
    taken = np.zeros(len(true), bool)
    for row, kind, place in zip(judged, kinds, places, strict=True):
        own = np.flatnonzero(true[:, 0] == kind)
        shares = _yolo.overlap(place, true[own, 1:]) if own.size else np.zeros(1)
        if not own.size or shares.max() < threshold:
            row[1] = 1
            continue
        match = own[shares.argmax()]
        if not difficult[match]:
            row[int(taken[match])] = 1
            taken[match] = True
    return judged
