"""Non-maximum suppression, as OpenCV's dnn module does it."""

from collections.abc import Callable, Sequence

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
    return _suppressed(boxes, confidence, _overlaps, score_threshold, nms_threshold, eta, top_k)


def NMSBoxesRotated(
    bboxes: Sequence[tuple[Sequence[float], Sequence[float], float]],
    scores: Sequence[float],
    score_threshold: float,
    nms_threshold: float,
    eta: float = 1.0,
    top_k: int = 0,
) -> np.ndarray | tuple:
    """`NMSBoxes` for boxes that are turned, as those of text: ((x, y) of the middle, (width, height), degrees) each.

    Degrees count clockwise in an image. They overlap by the area of the polygon that two have
    in common; wholly, where one lies inside the other.
    """
    confidence = np.asarray(scores, np.float32).ravel()
    if len(bboxes) != len(confidence):
        raise ShapeError(f"NMSBoxesRotated: {len(bboxes)} boxes, but {len(confidence)} scores.")
    corners = np.array([_corners(box) for box in bboxes]).reshape(-1, 4, 2)
    return _suppressed(corners, confidence, _common_shares, score_threshold, nms_threshold, eta, top_k)


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


def _suppressed(
    boxes: np.ndarray,
    confidence: np.ndarray,
    overlaps: Callable[[np.ndarray, np.ndarray], np.ndarray],
    score_threshold: float,
    nms_threshold: float,
    eta: float,
    top_k: int,
) -> np.ndarray | tuple:
    """What `NMSBoxes` answers, for boxes whose overlap with others is told by a function."""
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] > np.float32(score_threshold)]
    order = order[:top_k] if top_k > 0 else order
    kept: list[int] = []
    threshold = np.float32(nms_threshold)
    for index in order:
        if kept and (overlaps(boxes[index], boxes[kept]) > threshold).any():
            continue
        kept.append(int(index))
        if eta < 1 and threshold > 0.5:
            threshold *= np.float32(eta)
    return np.array(kept, np.int32) if kept else ()


def _corners(box: tuple[Sequence[float], Sequence[float], float]) -> np.ndarray:
    """The four corners (4, 2) of a turned box, in the order in which its border goes round."""
    middle, size, degrees = (np.asarray(part, np.float64) for part in box)
    if middle.shape != (2,) or size.shape != (2,):
        raise ShapeError(f"NMSBoxesRotated: a box is ((x, y), (width, height), degrees), not {box}.")
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    return middle + (square * size) @ np.array([(cos, sin), (-sin, cos)])


def _common_shares(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a polygon (4, 2) with others (N, 4, 2), float32.

    As in OpenCV it is 1 where one lies inside the other, and 0 for those without area.
    """
    shares = np.zeros(len(others), np.float32)
    for i, other in enumerate(others):
        common, areas = _area(_clipped(box, other)), (_area(box), _area(other))
        if common > 0:
            shares[i] = 1 if common > (1 - 1e-6) * min(areas) else common / (sum(areas) - common)
    return shares


def _clipped(polygon: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The part of a convex polygon inside another one, whose border goes round the same way: cut off edge by edge.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping", Communications of the ACM, 1974.
    """
    for start, end in zip(other, np.roll(other, -1, axis=0), strict=True):
        edge = end - start
        side = edge[0] * (polygon[:, 1] - start[1]) - edge[1] * (polygon[:, 0] - start[0])  # >= 0: inside
        kept: list[np.ndarray] = []
        for point, at, follower, then in zip(polygon, side, np.roll(polygon, -1, 0), np.roll(side, -1), strict=True):
            if at >= 0:
                kept.append(point)
            if (at < 0) != (then < 0):
                kept.append(point + (follower - point) * (at / (at - then)))
        if not kept:
            return np.empty((0, 2))
        polygon = np.array(kept)
    return polygon


def _area(polygon: np.ndarray) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
