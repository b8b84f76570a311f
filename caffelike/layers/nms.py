"""Nms: the peaks of heat maps."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register

_REACH = 3  # pixels around a peak that its place is averaged over


@register("Nms", param="nms_param")
class Nms(Layer):
    """Pixels above `threshold` that are greater than their 8 neighbours, row by row, in each of the first channels.

    bottoms: x (N, C, H, W), C at least num_parts. tops: y (N, num_parts, max_peaks + 1, 3): first the number of peaks,
        which may exceed max_peaks, then each one's x, y and value; 0 behind the last one.
    threshold 0.5, num_parts 15, max_peaks 20. num_peak (100): not read, as in the fork.
    Pixels of the border are no peaks. x and y are means of the pixels up to 3 away, weighted by their values where
    those are above 0; the map's first row and column are left out.
    Gradient: none. Errors: ModelError for numbers below 1, ShapeError for too few channels.
    Source: CMU's caffe_rtpose (Cao et al., "Realtime multi-person 2D pose estimation", CVPR 2017).
    """

    no_gradient = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the numbers."""
        if p.num_parts < 1 or p.max_peaks < 1:
            raise self.fail("num_parts and max_peaks must be at least 1.", ModelError)
        self._size = (int(p.num_parts), int(p.max_peaks) + 1, 3)
        self.options = {"threshold": float(p.threshold)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, num_parts, max_peaks + 1, 3)."""
        (shape,) = shapes
        if len(shape) != 4 or shape[1] < self._size[0]:
            raise self.fail(f"needs maps (N, C, H, W) of at least {self._size[0]} channels, but the bottom is {shape}.")
        return [(shape[0], *self._size)]


def forward(x: np.ndarray, y: np.ndarray, threshold: float) -> None:
    """Find the peaks of all maps, then the places of each."""
    parts, most = y.shape[1], y.shape[2] - 1
    height, width = x.shape[2:]
    maps = x[:, :parts]
    peak = maps[:, :, 1:-1, 1:-1] > threshold
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1) and peak.size:
                peak &= maps[:, :, 1:-1, 1:-1] > maps[:, :, i : height - 2 + i, j : width - 2 + j]
    y[...] = 0
    for item, part in np.ndindex(y.shape[:2]):
        rows, columns = np.nonzero(peak[item, part])
        y[item, part, 0, 0] = len(rows)
        for k, (row, column) in enumerate(zip(rows[:most] + 1, columns[:most] + 1, strict=True), 1):
            low, left = max(row - _REACH, 1), max(column - _REACH, 1)
            near = np.maximum(maps[item, part, low : row + _REACH + 1, left : column + _REACH + 1], 0)
            total = near.sum()
            y[item, part, k, 0] = (near.sum(axis=0) * (left + np.arange(near.shape[1]))).sum() / total
            y[item, part, k, 1] = (near.sum(axis=1) * (low + np.arange(near.shape[0]))).sum() / total
            y[item, part, k, 2] = maps[item, part, row, column]
