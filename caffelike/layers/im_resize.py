"""ImResize: enlarges maps by cubic interpolation, and averages the maps of several scales."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("ImResize", param="imresize_param")
class ImResize(Layer):
    """y = the mean over items n of x[n] resized, each one without the border that its scale left empty.

    bottoms: x (N, C, H, W), one item for each scale of one picture. tops: y (1, C, out_h, out_w).
    factor 0: the top's size is target_spatial_height 368, target_spatial_width 368; otherwise factor times x's.
    start_scale 1, scale_gap 0.1: item n fills start_scale - n scale_gap of the map, in the middle: it has a border of
        floor((W // 2) (1 - start_scale + n scale_gap)) empty columns on each side, and rows likewise.
    Cubic convolution (a = -1/2) with half-pixel centres; beyond the edge the last pixel goes on, and positions left of
        the first centre extrapolate its cubic, as in the fork's GPU code.
    Gradient: none (the fork has none). Errors: ModelError for a size or scale of 0, ShapeError without 4 axes.
    Source: CMU's caffe_rtpose (Cao et al., CVPR 2017); Keys, "Cubic convolution interpolation", 1981.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the size and the scales."""
        self._p = p
        self.options = {"start": float(p.start_scale), "gap": float(p.scale_gap)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(1, C, out_h, out_w)."""
        (shape,) = shapes
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        size = (int(self._p.target_spatial_height), int(self._p.target_spatial_width))
        if self._p.factor:
            size = (int(shape[2] * self._p.factor), int(shape[3] * self._p.factor))
        if min(size) < 1:
            raise self.fail(f"the top would be {size[0]}x{size[1]}.", ModelError)
        last = self.options["start"] - (shape[0] - 1) * self.options["gap"]
        if any(n - 2 * _border(n, last) < 1 for n in shape[2:]):
            raise self.fail(
                f"scale_gap {self.options['gap']:g} leaves nothing of the last of {shape[0]} items.", ModelError
            )
        return [(1, shape[1], *size)]


def forward(x: np.ndarray, y: np.ndarray, start: float, gap: float) -> None:
    """Rows and columns of each item by a matrix of weights."""
    y[...] = 0
    for n, maps in enumerate(x):
        rows, columns = (
            _weights(size, out, start - n * gap) for size, out in zip(x.shape[2:], y.shape[2:], strict=True)
        )
        y[0] += (rows @ maps @ columns.T).astype(y.dtype)
    y /= max(1, x.shape[0])


def _border(size: int, scale: float) -> int:
    """The empty pixels on each side of an item that fills `scale` of the map."""
    return int(np.floor(size // 2 * (1 - scale) + 1e-6))


def _weights(size: int, out: int, scale: float) -> np.ndarray:
    """(out, size): how much of each pixel a place of the top takes."""
    pad = _border(size, scale)
    inner = size - 2 * pad
    at = (np.arange(out) - (out / inner / 2 - 0.5)) * (inner / out)
    middle = np.maximum((at + 1e-5).astype(np.int64), 0)
    t = at - middle
    shares = [
        -0.5 * t + t**2 - 0.5 * t**3,
        1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    ]
    found = np.zeros((out, size))
    for step, share in zip((-1, 0, 1, 2), shares, strict=True):
        np.add.at(found, (np.arange(out), np.clip(middle + step, 0, inner - 1) + pad), share)
    return found
