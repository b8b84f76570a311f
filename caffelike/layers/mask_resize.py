"""MaskResize: maps in another size, interpolated bilinearly."""

from fractions import Fraction
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Shape
from caffelike.layers._rois import bilinear
from caffelike.registry import register


@register("MaskResize", param="mask_resize_param")
class MaskResize(Layer):
    """Each map is interpolated at the middles of output_height x output_width cells that cover it.

    bottoms: x (N, C, H, W). tops: y (N, C, output_height, output_width).
    output_height, output_width: required. Pixel i lies at (i + 1/2) H / output_height - 1/2; outside the middles of the
    first and last pixels their own values hold.
    Gradient: to the pixels, by their weights. Errors: ModelError for sizes of 0, ShapeError for other than 4 axes.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the size."""
        if p.output_height < 1 or p.output_width < 1:
            raise self.fail("needs output_height and output_width of at least 1.", ModelError)
        self._size = (int(p.output_height), int(p.output_width))

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, output_height, output_width)."""
        (shape,) = shapes
        if len(shape) != 4 or 0 in shape[2:]:
            raise self.fail(f"needs maps (N, C, H, W), but the bottom is {shape}.")
        return [(*shape[:2], *self._size)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach:
        """Two pixels along each axis."""
        steps = tuple(Fraction(n, m) for n, m in zip(bottom[2:], top[2:], strict=True))
        return Reach((2, 2), steps, tuple(int((step - 1) // 2) for step in steps))


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """Rows and columns are weighted one after the other: y = A x B'."""
    rows, columns = _weights(x, y)
    np.matmul(rows @ x, columns.T, out=y)


def backward(dy: np.ndarray, dx: np.ndarray) -> None:
    """dx = A' dy B."""
    rows, columns = _weights(dx, dy)
    np.matmul(rows.T @ dy, columns, out=dx)


def _weights(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rows (out_h, H) and columns (out_w, W)."""
    sizes = zip(x.shape[2:], y.shape[2:], strict=True)
    rows, columns = (bilinear((np.arange(out) + 0.5) * (n / out) - 0.5, n, 0.5).astype(x.dtype) for n, out in sizes)
    return rows, columns
