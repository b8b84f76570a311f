"""What kernels over regions of interest share: reading them, and bilinear weights along an axis."""

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.jit import kernel


def read(rois: np.ndarray, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Each region's item, and its corners (R, 4) one after the other. LabelError: for an item that is not there."""
    flat = rois.reshape(-1, 5).astype(np.float32)
    wrong = np.flatnonzero(~((flat[:, 0] > -1) & (flat[:, 0] < items)))
    if wrong.size:
        first = int(wrong[0])
        raise LabelError(
            f"region {first} belongs to item {flat[first, 0]:g}, but the batch has items 0 to {items - 1}.",
            first,
            float(flat[first, 0]),
            items,
        )
    return flat[:, 0].astype(np.int64), np.ascontiguousarray(flat[:, 1:]).reshape(-1)


def rounded(values: np.ndarray) -> np.ndarray:
    """To the nearest whole number, halves away from zero."""
    return np.trunc(values + np.copysign(np.float32(0.5), values))


@kernel
def mean_weights(begin, end, count, size, weights, at, span):
    """The mean bilinear weights (count, size) of an axis's pixels in `count` cells, from weights[at] on.

    span: (first pixel, one past the last) of each cell, from 2 (at // size) on; the same pixel twice where all are 0.
    """
    one, half = np.float32(1), np.float32(0.5)
    step = max(end - begin, one) / np.float32(count)
    places = int(np.ceil(step))
    for i in range(at, at + count * size):
        weights[i] = 0
    for cell in range(count):
        row = at + cell * size
        low, high = size, 0
        for place in range(places):
            inside = (np.float32(place) + half) * (step / np.float32(places))
            spot = begin + np.float32(cell) * step + inside
            if not (spot >= -one and spot <= np.float32(size)):
                continue
            spot = min(max(spot, np.float32(0)), np.float32(size - 1))
            first = int(spot)
            second = min(first + 1, size - 1)
            part = spot - np.float32(first)
            weights[row + first] += one - part
            weights[row + second] += part
            low, high = min(low, first), max(high, second + 1)
        for i in range(row + low, row + high):
            weights[i] /= np.float32(places)
        span[2 * (row // size)], span[2 * (row // size) + 1] = low, max(low, high)
