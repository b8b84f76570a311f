"""Suppression of near doubles among boxes; see layers/_rpn.py for the definition."""

import numpy as np

from caffelike.kernels.jit import kernel


def keep(boxes: np.ndarray, threshold: float, most: int) -> np.ndarray:
    """Indices of the boxes (K, 4), best first, that overlap no kept one by more than `threshold`; at most `most`."""
    found = np.empty(min(most, len(boxes)), np.int64)
    return found[: _keep(boxes.reshape(-1), np.float32(threshold), found)]


@kernel
def _keep(boxes, threshold, found):
    """How many are kept: each box is held against those kept so far."""
    count, one = 0, np.float32(1)
    for i in range(boxes.size // 4):
        if count == found.size:
            break
        x1, y1, x2, y2 = boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]
        area, double = (x2 - x1 + one) * (y2 - y1 + one), False
        for j in found[:count]:
            a1, b1, a2, b2 = boxes[4 * j], boxes[4 * j + 1], boxes[4 * j + 2], boxes[4 * j + 3]
            width = max(min(x2, a2) - max(x1, a1) + one, np.float32(0))
            common = width * max(min(y2, b2) - max(y1, b1) + one, np.float32(0))
            if common / (area + (a2 - a1 + one) * (b2 - b1 + one) - common) > threshold:
                double = True
                break
        if not double:
            found[count] = i
            count += 1
    return count
