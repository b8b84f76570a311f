"""Suppression of near doubles as SSD counts them; see layers/_ssd.py for the definition."""

import numpy as np

from caffelike.kernels.jit import kernel


def keep(boxes: np.ndarray, threshold: float, eta: float) -> np.ndarray:
    """Indices of the boxes (K, 4), best first, that overlap no kept one by more than the threshold."""
    found = np.empty(len(boxes), np.int64)
    return found[: _keep(boxes.reshape(-1), np.float32(threshold), np.float32(eta), found)]


@kernel
def _keep(boxes, limit, eta, found):
    """How many are kept: each box is held against those kept so far."""
    count, zero = 0, np.float32(0)
    for i in range(boxes.size // 4):
        x1, y1, x2, y2 = boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]
        area, double = max(x2 - x1, zero) * max(y2 - y1, zero), False
        for j in found[:count]:
            a1, b1, a2, b2 = boxes[4 * j], boxes[4 * j + 1], boxes[4 * j + 2], boxes[4 * j + 3]
            common = max(min(x2, a2) - max(x1, a1), zero) * max(min(y2, b2) - max(y1, b1), zero)
            if common > zero and common / (area + max(a2 - a1, zero) * max(b2 - b1, zero) - common) > limit:
                double = True
                break
        if not double:
            found[count] = i
            count += 1
            if eta < np.float32(1) and limit > np.float32(0.5):
                limit *= eta
    return count
