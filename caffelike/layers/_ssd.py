"""Boxes as SSD counts them: shares of the image, coded against prior boxes, matched and suppressed.

A box is (xmin, ymin, xmax, ymax) over the image's width and height; it is xmax - xmin wide.
"""

import numpy as np

from caffelike import device

CORNER, CENTER_SIZE, CORNER_SIZE = 1, 2, 3  # PriorBoxParameter.CodeType


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes (..., 4); 0 for one whose corners are swapped."""
    return np.maximum(boxes[..., 2] - boxes[..., 0], 0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (K, M) of boxes (K, 4) and others (M, 4); 0 where they only touch."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    union = areas(boxes)[:, None] + areas(others)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def split_priors(priors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (P, 4) and variances (P, 4) of a PriorBox's top (1, 2, 4 P)."""
    pair = priors.reshape(2, -1, 4)
    return pair[0], pair[1]


def decoded(loc: np.ndarray, boxes: np.ndarray, variances: np.ndarray | None, code: int) -> np.ndarray:
    """The boxes (..., P, 4) that predictions (..., P, 4) stand for; variances None: they are in the target."""
    steps = loc if variances is None else loc * variances
    size = boxes[:, 2:] - boxes[:, :2]
    if code == CORNER:
        return boxes + steps
    if code == CORNER_SIZE:
        return boxes + steps * np.tile(size, 2)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + steps[..., :2] * size
    # so large a logarithm is a box beyond any image; it must not become an infinity, or NaN where boxes are compared
    half = np.exp(np.minimum(steps[..., 2:], 50)) * size / 2
    return np.concatenate([middle - half, middle + half], axis=-1)


def encoded(wanted: np.ndarray, boxes: np.ndarray, variances: np.ndarray | None, code: int) -> np.ndarray:
    """The predictions (P, 4) that make `decoded` give the boxes `wanted` (P, 4)."""
    size = boxes[:, 2:] - boxes[:, :2]
    if code == CORNER:
        steps = wanted - boxes
    elif code == CORNER_SIZE:
        steps = (wanted - boxes) / np.tile(size, 2)
    else:
        shift = ((wanted[:, :2] + wanted[:, 2:]) - (boxes[:, :2] + boxes[:, 2:])) / 2 / size
        steps = np.concatenate([shift, np.log((wanted[:, 2:] - wanted[:, :2]) / size)], axis=1)
    return steps if variances is None else steps / variances


def best(boxes: np.ndarray, scores: np.ndarray, least: float, top_k: int, threshold: float, eta: float) -> np.ndarray:
    """Indices of the boxes that are kept, best first.

    Of the boxes (P, 4) whose scores (P,) are above `least` the `top_k` best (-1: all; of equal scores the first comes
    first) are looked at; one that overlaps a kept one by more than the threshold is dropped. The threshold shrinks by
    the factor eta with each one kept, while it is above 0.5.
    """
    found = np.flatnonzero(scores > least)
    order = found[np.argsort(-scores[found], kind="stable")]
    order = order[:top_k] if top_k > -1 else order
    fast = device.kernel("ssd", "keep") or keep
    return order[fast(np.ascontiguousarray(boxes[order], np.float32), threshold, eta)]


def keep(boxes: np.ndarray, threshold: float, eta: float) -> np.ndarray:
    """Indices of the boxes (K, 4), best first, that overlap no kept one by more than the threshold."""
    found: list[int] = []
    limit = np.float32(threshold)
    for i in range(len(boxes)):
        if found and overlaps(boxes[i : i + 1], boxes[found]).max() > limit:
            continue
        found.append(i)
        if eta < 1 and limit > 0.5:
            limit *= np.float32(eta)
    return np.array(found, np.int64)
