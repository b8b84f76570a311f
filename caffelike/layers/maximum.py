"""Maximum: where each map is largest, and how large."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register

_SMALLEST = float(np.finfo(np.float32).tiny)


@register("Maximum")
class Maximum(Layer):
    """y[n, c, 0] = (column, row, value) of the largest value of each map: a pose's joints from their heat maps.

    bottoms: x (N, C, H, W). tops: y (N, C, 1, 3).
    Of equals the first, row by row; a map with nothing above 1.18e-38 gives (0, 0, 1.18e-38).
    Gradient: none (the fork has none). Errors: ShapeError for a bottom without 4 axes.
    Source: CMU's caffe_rtpose (Cao et al., CVPR 2017).
    """

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, 1, 3)."""
        if len(shapes[0]) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shapes[0]}.")
        return [(*shapes[0][:2], 1, 3)]


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """argmax of each map."""
    if y.size == 0:
        return
    maps = np.where(x > _SMALLEST, x, 0).reshape(*x.shape[:2], -1)
    place = maps.argmax(axis=2)
    y[:, :, 0, 0], y[:, :, 0, 1] = place % x.shape[3], place // x.shape[3]
    y[:, :, 0, 2] = np.maximum(maps.max(axis=2), x.dtype.type(_SMALLEST))
