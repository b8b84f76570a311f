"""Boxes as Faster R-CNN counts them: anchors, shifts and scales, overlaps, suppression of near doubles.

A box is (x1, y1, x2, y2) in pixels, both corners included: it is x2 - x1 + 1 wide.
"""

from collections.abc import Sequence

import numpy as np

from caffelike import device

RATIOS = (0.5, 1.0, 2.0)
SCALES = (8.0, 16.0, 32.0)


def base_anchors(size: int = 16, ratios: Sequence[float] = RATIOS, scales: Sequence[float] = SCALES) -> np.ndarray:
    """(A, 4): a box of size x size pixels at 0, 0, given each ratio (height / width), then each scale.

    Widths and heights of the ratios are rounded to whole pixels before they are scaled.
    """
    middle, found = (size - 1) / 2, []
    for ratio in ratios:
        width = np.round(np.sqrt(size * size / ratio))
        height = np.round(width * ratio)
        for scale in scales:
            w, h = (width * scale - 1) / 2, (height * scale - 1) / 2
            found.append((middle - w, middle - h, middle + w, middle + h))
    return np.array(found, np.float32)


def all_anchors(base: np.ndarray, height: int, width: int, stride: int) -> np.ndarray:
    """(height * width * A, 4): the base anchors at each place of a map, row by row."""
    x, y = np.meshgrid(np.arange(width) * stride, np.arange(height) * stride)
    shifts = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    return (base[None] + shifts).reshape(-1, 4).astype(np.float32)


def by_place(x: np.ndarray, count: int) -> np.ndarray:
    """A map (A * count, H, W) as (H * W * A, count), the order of all_anchors."""
    return x.transpose(1, 2, 0).reshape(-1, count)


def moved(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Boxes (K, 4) moved by deltas (K, 4 c): dx, dy of their size, and the logarithms of dw, dh. (K, 4 c)."""
    size = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
    centre = boxes[:, None, :2] + size / 2
    steps = deltas.reshape(len(boxes), -1, 4)
    # so large a step is a box beyond any image; it must not become an infinity, or NaN when it is cut to the image
    half = np.exp(np.minimum(steps[..., 2:], np.float32(50))) * size / 2
    centre = steps[..., :2] * size + centre
    return np.concatenate([centre - half, centre + half], axis=-1).reshape(deltas.shape)


def moves(boxes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The deltas (K, 4) that move boxes (K, 4) to targets (K, 4)."""
    size, wanted = (b[:, 2:4] - b[:, :2] + 1 for b in (boxes, targets))
    step = (targets[:, :2] + wanted / 2 - boxes[:, :2] - size / 2) / size
    return np.concatenate([step, np.log(wanted / size)], axis=1).astype(np.float32)


def clipped(boxes: np.ndarray, height: float, width: float) -> np.ndarray:
    """Boxes (K, 4 c) cut to an image."""
    most = np.resize(np.array([width - 1, height - 1], boxes.dtype), boxes.shape[1])
    return np.clip(boxes, 0, most)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Pixels in each box (K, 4)."""
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (K, M) of boxes (K, 4) and others (M, 4)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:4], others[None, :, 2:4])
    common = np.maximum(high - low + 1, 0).prod(axis=2)
    return common / (areas(boxes)[:, None] + areas(others)[None] - common)


def suppressed(boxes: np.ndarray, threshold: float, most: int) -> np.ndarray:
    """Indices of the boxes (K, 4), best first, that overlap no kept one by more than `threshold`; at most `most`."""
    fast = device.kernel("suppression", "keep")
    boxes = np.ascontiguousarray(boxes, np.float32)
    return fast(boxes, threshold, most) if fast else keep(boxes, threshold, most)


def keep(boxes: np.ndarray, threshold: float, most: int) -> np.ndarray:
    """The definition of `suppressed`."""
    left = np.arange(len(boxes))
    found: list[int] = []
    while left.size and len(found) < most:
        best, left = left[0], left[1:]
        found.append(int(best))
        left = left[overlaps(boxes[best : best + 1], boxes[left])[0] <= threshold]
    return np.array(found, np.int64)


def chosen(
    scores: np.ndarray,
    deltas: np.ndarray,
    anchors: np.ndarray,
    image: tuple[float, float],
    min_size: float | np.ndarray,
    before: int,
    after: int,
    threshold: float,
    drop_small: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K,) numbers of anchors, best first, that are no doubles; all boxes (n, 4), cut to the image; all scores (n,).

    scores (n,), deltas (n, 4), anchors (n, 4). image: height, width. min_size: the smallest side in pixels,
    or (width, height). drop_small: False leaves small boxes in, with a score of 0, which is the one returned.
    before, after: how many of the best are looked at, and kept (0: all). Of equal scores the first comes first.
    """
    boxes = clipped(moved(anchors, deltas), *image)
    large = (boxes[:, 2:] - boxes[:, :2] + 1 >= min_size).all(axis=1)
    if drop_small:
        left = np.flatnonzero(large)
        order = left[np.argsort(-scores[left], kind="stable")]
    else:
        scores = np.where(large, scores, 0)
        order = np.argsort(-scores, kind="stable")
    if before > 0:
        order = order[:before]
    kept = suppressed(boxes[order], threshold, after if after > 0 else len(order))
    return order[kept], boxes, scores
