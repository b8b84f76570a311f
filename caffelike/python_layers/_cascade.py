"""What the Python layers of MNC's cascade share: masks in boxes, and what they tell of an image's regions.

A box is x1, y1, x2, y2 in whole pixels of the image as it was read, both corners included; its mask has so many rows
and columns. Masks of an image's objects are (G, rows, columns), filled up with 0; their sizes are the mask_info (G, 2).
"""

import numpy as np

from caffelike.data.resize import resize
from caffelike.layers import _rpn

SIZE = 21
"""Rows and columns of a mask that is predicted."""
THRESHOLD = 0.4
"""A pixel is on the object from here on."""


def common(box: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, size), each (x, y), of what two boxes share; a size below 1: nothing."""
    low = np.maximum(box[:2], other[:2])
    return low, np.minimum(box[2:], other[2:]) - low + 1


def _window(low: np.ndarray, size: np.ndarray, box: np.ndarray) -> tuple[slice, slice]:
    x, y = low - box[:2]
    return slice(y, y + size[1]), slice(x, x + size[0])


def overlap(box: np.ndarray, other: np.ndarray, mask: np.ndarray, other_mask: np.ndarray) -> float:
    """Intersection over union of two masks, each in its box."""
    low, size = common(box, other)
    if (size < 1).any():
        return 0.0
    parts = mask[_window(low, size, box)] != 0, other_mask[_window(low, size, other)] != 0
    rows, columns = np.min([part.shape for part in parts], axis=0)  # a mask may lack what its box was rounded up by
    both = parts[0][:rows, :columns] & parts[1][:rows, :columns]
    union = np.count_nonzero(mask) + np.count_nonzero(other_mask) - both.sum()
    return float(both.sum() / union) if union else 0.0


def target(box: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) of 0 and 1: the part of an object's mask, in its box `truth`, that lies in `box`."""
    low, size = common(box, truth)
    if (size < 1).any():
        return np.zeros((SIZE, SIZE), np.float32)
    canvas = np.zeros((box[3] - box[1] + 1, box[2] - box[0] + 1), np.float32)
    part = mask[_window(low, size, truth)]
    canvas[_window(low, size, box)][: part.shape[0], : part.shape[1]] = part
    return (resize(canvas, SIZE, SIZE) >= THRESHOLD).astype(np.float32)


def fitted(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A predicted mask (SIZE, SIZE) as 0 and 1 in the size of its box."""
    wanted = box[3] - box[1] + 1, box[2] - box[0] + 1
    return resize(np.ascontiguousarray(mask, np.float32), *wanted) >= THRESHOLD


def rounded(boxes: np.ndarray) -> np.ndarray:
    """Boxes in whole pixels; halves go to the even one."""
    return np.rint(boxes).astype(np.int64)


def describe(
    rois: np.ndarray,
    truth: np.ndarray,
    nearest: np.ndarray,
    labels: np.ndarray,
    masks: np.ndarray,
    sizes: np.ndarray,
    scale: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(targets (R, 1, SIZE, SIZE), weights, info (R, 12)) of regions; a label of 0: it is no object's.

    rois, truth: boxes (R, 4), (G, 4) in pixels of the net's input, `scale` times those of the image. nearest (R,): each
    region's object. info: the object's number, rows and columns of its mask, label, the region's box, the object's box;
    -1 for others.
    """
    targets = np.zeros((len(rois), 1, SIZE, SIZE), np.float32)
    info = np.full((len(rois), 12), -1, np.float32)
    by = np.float32(scale)
    for i in np.flatnonzero(labels > 0):
        at = int(nearest[i])
        rows, columns = (int(n) for n in sizes[at])
        own, its = rounded(rois[i] / by), rounded(truth[at] / by)
        targets[i, 0] = target(own, its, masks[at, :rows, :columns])
        info[i] = (at, rows, columns, labels[i], *own, *its)
    weights = np.zeros_like(targets)
    weights[labels > 0] = 1
    return targets, weights, info


def moved_backward(
    boxes: np.ndarray, deltas: np.ndarray, image: tuple[float, float], slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(gradient to boxes, to deltas), all (K, 4), of `_rpn.clipped(_rpn.moved(boxes, deltas), *image)`.

    slopes: of the result. Where a corner was cut off it has none.
    """
    raw = _rpn.moved(boxes, deltas)
    slopes = np.where(raw == _rpn.clipped(raw, *image), slopes, 0)
    size = boxes[:, 2:] - boxes[:, :2] + 1
    along, apart = slopes[:, :2] + slopes[:, 2:], (slopes[:, 2:] - slopes[:, :2]) / 2  # to centre, and to size
    grown = np.exp(np.minimum(deltas[:, 2:], np.float32(50)))
    step = along * deltas[:, :2] + apart * grown
    to_boxes = np.concatenate([along / 2 - step, along / 2 + step], axis=1)
    return to_boxes, np.concatenate([along * size, apart * grown * size], axis=1)
