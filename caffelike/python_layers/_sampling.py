"""Drawing the regions that train a detector, and what it should say about them."""

from typing import Any, NamedTuple

import numpy as np

from caffelike.layers import _rpn

DEFAULTS = {
    "batch_size": 128,
    "fg_fraction": 0.25,
    "fg_thresh": 0.5,
    "bg_thresh_hi": 0.5,
    "bg_thresh_lo": 0.0,
    "means": (0.0, 0.0, 0.0, 0.0),
    "stds": (0.1, 0.1, 0.2, 0.2),
}


class Sample(NamedTuple):
    """Regions (R, 5), their labels (R,), targets and inside weights (R, 4 classes), and each one's box (R,) or -1."""

    rois: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    inside: np.ndarray
    boxes: np.ndarray


def sample(
    rois: np.ndarray, truth: np.ndarray, classes: int, options: dict[str, Any], draw: np.random.Generator
) -> Sample:
    """Draw from regions (K, 5) of an image whose objects are truth (G, 5 or more): x1, y1, x2, y2, class."""
    common = _rpn.overlaps(rois[:, 1:], truth[:, :4]) if len(truth) else np.zeros((len(rois), 1), np.float32)
    most, nearest = common.max(axis=1), common.argmax(axis=1)
    objects = np.flatnonzero(most >= options["fg_thresh"])
    others = np.flatnonzero((most < options["bg_thresh_hi"]) & (most >= options["bg_thresh_lo"]))
    size = options["batch_size"]
    if size > 0:
        objects = some(objects, round(size * options["fg_fraction"]), draw)
        others = some(others, size - len(objects), draw)
    return describe(rois, truth, objects, others, nearest, classes, options)


def describe(
    rois: np.ndarray,
    truth: np.ndarray,
    objects: np.ndarray,
    others: np.ndarray,
    nearest: np.ndarray,
    classes: int,
    options: dict[str, Any],
) -> Sample:
    """What to say of the regions `objects`, then `others`; nearest: the box that each region overlaps most."""
    chosen = np.concatenate([objects, others])
    labels = np.zeros(len(chosen), np.float32)
    targets = np.zeros((len(chosen), 4 * classes), np.float32)
    inside = np.zeros_like(targets)
    boxes = np.full(len(chosen), -1)
    if len(objects):
        boxes[: len(objects)] = nearest[objects]
        labels[: len(objects)] = truth[nearest[objects], 4]
        moves = _rpn.moves(rois[objects, 1:], truth[nearest[objects], :4])
        moves = (moves - np.array(options["means"])) / np.array(options["stds"])
        for row, (label, move) in enumerate(zip(labels, moves, strict=False)):
            start = 4 * min(int(label), classes - 1)  # class-agnostic nets have two: background and any object
            targets[row, start : start + 4] = move
            inside[row, start : start + 4] = 1
    return Sample(rois[chosen], labels, targets, inside, boxes)


def some(places: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    """All of them, or `count` drawn at random."""
    return places if len(places) <= count else draw.choice(places, count, replace=False)
