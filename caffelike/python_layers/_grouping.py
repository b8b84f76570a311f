"""Clusters of boxes, as OpenCV's groupRectangles forms them."""

import numpy as np


def group_rectangles(rectangles: np.ndarray, least: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """(the mean of each cluster of more than `least` rectangles (n, 4), how many are in it (n,)), whole numbers.

    rectangles: (n, 4) of x, y, width, height, cut to whole numbers. Two are alike where their left, top, right and
    lower ends are at most eps (the smaller width + the smaller height) / 2 apart; alike to one of a cluster is in it.
    Clusters stand in the order of their first rectangles. One that lies inside another, which may be eps of its size
    larger, is left out if the other has more than 3 rectangles and more than it, or it has less than 3. least 0: every
    rectangle for itself. The means are rounded to even.
    """
    boxes = np.trunc(np.asarray(rectangles, np.float64)).astype(np.int64).reshape(-1, 4)
    if least <= 0 or not len(boxes):
        return boxes, np.ones(len(boxes), np.int64)
    labels = _clusters(boxes, eps)
    counts = np.bincount(labels)
    sums = np.stack([np.bincount(labels, boxes[:, k]) for k in range(4)], axis=1)
    means = np.rint(sums.astype(np.float32) * (np.float32(1) / counts.astype(np.float32))[:, None]).astype(np.int64)
    kept = [i for i in range(len(means)) if counts[i] > least and not _hidden(i, means, counts, least, eps)]
    return means[kept], counts[kept]


def _clusters(boxes: np.ndarray, eps: float) -> np.ndarray:
    """The cluster's number of each box."""
    ends = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    labels = np.full(len(boxes), -1)
    count = 0
    for first in range(len(boxes)):
        if labels[first] >= 0:
            continue
        front = [first]
        labels[first] = count
        while front:
            at = front.pop()
            reach = eps * np.minimum(boxes[:, 2:], boxes[at, 2:]).sum(axis=1) * 0.5
            alike = (np.abs(ends - ends[at]) <= reach[:, None]).all(axis=1) & (labels < 0)
            labels[alike] = count
            front.extend(np.flatnonzero(alike).tolist())
        count += 1
    return labels


def _hidden(i: int, means: np.ndarray, counts: np.ndarray, least: int, eps: float) -> bool:
    """Whether cluster i lies inside one that counts more."""
    border = np.rint(means[:, 2:] * eps).astype(np.int64)
    low, high = means[:, :2] - border, means[:, :2] + means[:, 2:] + border
    inside = (means[i, :2] >= low).all(axis=1) & (means[i, :2] + means[i, 2:] <= high).all(axis=1)
    stronger = (counts > max(3, int(counts[i]))) | (counts[i] < 3)
    inside &= stronger & (counts > least)
    inside[i] = False
    return bool(inside.any())
