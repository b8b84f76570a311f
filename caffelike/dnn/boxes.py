"""Non-maximum suppression, as OpenCV's dnn module does it."""

from collections.abc import Sequence

import numpy as np

from caffelike.errors import ShapeError

_TINY = np.finfo(np.float64).eps


def NMSBoxes(
    bboxes: Sequence[Sequence[float]],
    scores: Sequence[float],
    score_threshold: float,
    nms_threshold: float,
    eta: float = 1.0,
    top_k: int = 0,
) -> np.ndarray | tuple:
    """The indices (int32) of boxes that are kept, the best first; an empty tuple for none, as OpenCV answers.

    bboxes: (left, top, width, height) each. Of boxes with a score above `score_threshold`, the best `top_k` of them if
    it is above 0, one is left out where it overlaps a better one by more than `nms_threshold` (intersection over
    union). eta: below 1, the threshold is multiplied by it after each box kept, while it is above 0.5.
    """
    boxes, confidence = np.asarray(bboxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float32).ravel()
    if len(boxes) != len(confidence):
        raise ShapeError(f"NMSBoxes: {len(boxes)} boxes, but {len(confidence)} scores.")
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] > np.float32(score_threshold)]
    order = order[:top_k] if top_k > 0 else order
    kept: list[int] = []
    threshold = np.float32(nms_threshold)
    for index in order:
        if kept and (_overlaps(boxes[index], boxes[kept]) > threshold).any():
            continue
        kept.append(int(index))
        if eta < 1 and threshold > 0.5:
            threshold *= np.float32(eta)
    return np.array(kept, np.int32) if kept else ()


def NMSBoxesBatched(
    bboxes: Sequence[Sequence[float]],
    scores: Sequence[float],
    class_ids: Sequence[int],
    score_threshold: float,
    nms_threshold: float,
    eta: float = 1.0,
    top_k: int = 0,
) -> np.ndarray | tuple:
    """`NMSBoxes`, where boxes of different classes never suppress each other."""
    boxes, classes = np.asarray(bboxes, np.float64).reshape(-1, 4), np.asarray(class_ids, np.float64).ravel()
    if len(boxes) != len(classes):
        raise ShapeError(f"NMSBoxesBatched: {len(boxes)} boxes, but {len(classes)} class_ids.")
    if not len(boxes):
        return ()
    # Each class is moved to where no other one is.
    beyond = max(0.0, boxes[:, :2].max(), (boxes[:, :2] + boxes[:, 2:]).max()) + 1
    moved = boxes + np.concatenate([np.repeat((classes * beyond)[:, None], 2, 1), np.zeros((len(boxes), 2))], axis=1)
    return NMSBoxes(moved, scores, score_threshold, nms_threshold, eta, top_k)


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box with others, float32; 1 for boxes without area."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    both = np.prod(box[2:]) + np.prod(others[:, 2:], axis=1)
    empty = both <= _TINY
    distance = np.where(empty, 0, 1 - common / np.where(empty, 1, both - common))
    return np.float32(1) - distance.astype(np.float32)
