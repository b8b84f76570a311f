"""What YOLO's layers share: reading a map of predictions, boxes by their centres, suppression of doubles."""

from collections.abc import Sequence

import numpy as np

from caffelike import device
from caffelike.blob import Blob
from caffelike.errors import LabelError, ModelError
from caffelike.layer import HostLayer, Layer


def anchors(layer: Layer, biases: Sequence[float], mask: Sequence[int], wanted: int) -> np.ndarray:
    """Widths and heights (wanted, 2) of the anchors that `mask` picks from `biases`, all in turn without a mask.

    Raises ModelError where there are too few.
    """
    if not biases or len(biases) % 2 or any(not b > 0 for b in biases):
        raise layer.fail("biases must be pairs of numbers above 0: widths and heights of anchors.", ModelError)
    pairs = np.reshape(np.array(biases, np.float64), (-1, 2))
    picked = list(mask) or list(range(wanted))
    if len(picked) < wanted or max(picked) >= len(pairs):
        raise layer.fail(
            f"needs {wanted} anchors, but mask {picked} and {len(pairs)} pairs of biases do not give them.", ModelError
        )
    return pairs[picked[:wanted]]


def check_map(layer: Layer, shape: Sequence[int], boxes: int, classes: int) -> None:
    """Raise ShapeError unless a bottom is (N, boxes (5 + classes), H, W)."""
    if len(shape) != 4 or shape[1] != boxes * (5 + classes):
        raise layer.fail(
            f"a bottom is {tuple(shape)}, but {boxes} boxes of 4 coordinates, an objectness and {classes} classes need"
            f" (N, {boxes * (5 + classes)}, H, W)."
        )


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def decode(x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes (..., A, 4, H, W) as centre, width and height in parts of the image.

    x: (..., A, at least 4, H, W), the offsets in the cell between 0 and 1 already; sizes (A, 2): of the anchors, in
    parts of the image too.
    """
    height, width = x.shape[-2:]
    boxes = np.empty((*x.shape[:-3], 4, height, width), x.dtype)
    boxes[..., 0, :, :] = (x[..., 0, :, :] + np.arange(width)) / width
    boxes[..., 1, :, :] = (x[..., 1, :, :] + np.arange(height)[:, None]) / height
    # so large a logarithm is a box beyond any image; it must not become an infinity, or NaN where boxes are compared
    boxes[..., 2:, :, :] = np.exp(np.minimum(x[..., 2:4, :, :], 50)) * sizes[:, :, None, None]
    return boxes


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (centre, width, height on the last axis), which broadcast; 0 where apart."""
    low = np.maximum(boxes[..., :2] - boxes[..., 2:] / 2, others[..., :2] - others[..., 2:] / 2)
    high = np.minimum(boxes[..., :2] + boxes[..., 2:] / 2, others[..., :2] + others[..., 2:] / 2)
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    union = np.prod(boxes[..., 2:], axis=-1) + np.prod(others[..., 2:], axis=-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the boxes that no better one overlaps by `threshold` or more, the best first."""
    order = np.argsort(-scores, kind="stable")
    if 0 < threshold <= 1 and (boxes[:, 2:] > 0).all():
        # A box is there once for each class; whatever happens to the best of them drops the others.
        _, first = np.unique(boxes[order], axis=0, return_index=True)
        order = order[np.sort(first)]
    fast = device.kernel("yolo", "keep") or keep
    return order[fast(np.ascontiguousarray(boxes[order]), threshold)]


def keep(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the boxes (K, 4), best first, that no kept one overlaps by the threshold or more."""
    left, kept = np.arange(len(boxes)), []
    while left.size:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[overlap(boxes[best], boxes[left]) < threshold]
    return np.array(kept, np.int64)


def report(top: Blob, items: int, found: list[tuple[np.ndarray, np.ndarray, np.ndarray]], threshold: float) -> None:
    """Write rows of item, label from 1, score, x1, y1, x2, y2 as (1, 1, rows, 7): an item's best first.

    found: of each item boxes (n, 4), labels from 0 and scores. With no box at all there is a row of -1 for each item.
    """
    rows = []
    for item, (boxes, labels, scores) in enumerate(found):
        for i in suppress(boxes, scores, threshold):
            x, y, w, h = boxes[i]
            rows.append((item, labels[i] + 1, scores[i], x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    values = rows or [(item, *(-1,) * 6) for item in range(items)]
    top.reshape(1, 1, len(values), 7)
    top.raw_data[...] = np.reshape(np.array(values, np.float32), (1, 1, len(values), 7))


def read_boxes(label: np.ndarray, item: int, classes: int, intel: bool = False) -> np.ndarray:
    """The labels (n, 5) of an item: class from 0, centre x, y, width, height in parts of the image.

    label: (N, boxes of 5 such numbers), up to the first of width 0; intel: (1, 1, boxes, 8) of item, class from 1, -,
    x1, y1, x2, y2, -. Raises LabelError for a class or a centre out of range.
    """
    if intel:
        rows = label.reshape(-1, 8).astype(np.float64)
        rows = rows[rows[:, 0] == item]
        low, high = rows[:, 3:5], rows[:, 5:7]
        rows = np.concatenate([rows[:, 1:2] - 1, (low + high) / 2, high - low], axis=1)
    else:
        rows = label[item].reshape(-1, 5).astype(np.float64)
        rows = rows[: np.append(np.flatnonzero(rows[:, 3] == 0), len(rows))[0]]
    for row in rows:
        if not 0 <= int(row[0]) < classes:
            raise LabelError.no_class(item, float(row[0]), classes)
        if not (0 <= row[1] < 1 and 0 <= row[2] < 1 and row[3] > 0 and row[4] > 0):
            message = (
                f"A box of item {item} of the batch is {[float(v) for v in row[1:]]}: centre x, y from 0 to below 1,"
                " width and height above 0 are expected, in parts of the image."
            )
            raise LabelError(message, item, float(row[0]), classes)
    return rows


def by_box(blob: Blob, boxes: int) -> np.ndarray:
    """A bottom (N, boxes (5 + classes), H, W) as float64 (N, boxes, 5 + classes, H, W)."""
    n, channels, height, width = blob.shape
    return blob.raw_data.reshape(n, boxes, channels // boxes, height, width).astype(np.float64)


class DetectionLayer(HostLayer):
    """A layer that makes rows of detections."""

    bottoms = ("*x",)
    tops = ("y",)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """One row until the first forward pass."""
        top[0].reshape(1, 1, 1, 7)
