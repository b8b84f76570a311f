"""Suppression of near doubles as YOLO's layers count them; see layers/_yolo.py for the definition."""

import numpy as np

from caffelike.kernels.jit import kernel


def keep(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the boxes (K, 4: centre, width, height), best first, that no kept one overlaps by the threshold."""
    found = np.empty(len(boxes), np.int64)
    return found[: _keep(boxes.reshape(-1), boxes.dtype.type(threshold), found)]


@kernel
def _keep(boxes, threshold, found):
    """How many are kept: each box is held against those kept so far."""
    count, half = 0, boxes.dtype.type(0.5)
    for i in range(boxes.size // 4):
        x, y, w, h = boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2] * half, boxes[4 * i + 3] * half
        double = False
        for j in found[:count]:
            a, b, c, d = boxes[4 * j], boxes[4 * j + 1], boxes[4 * j + 2] * half, boxes[4 * j + 3] * half
            width, height = min(x + w, a + c) - max(x - w, a - c), min(y + h, b + d) - max(y - h, b - d)
            if width <= 0 or height <= 0:
                continue
            common = width * height
            if common / (4 * (w * h + c * d) - common) >= threshold:
                double = True
                break
        if not double:
            found[count] = i
            count += 1
    return count
