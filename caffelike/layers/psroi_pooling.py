"""PSROIPooling: means over a grid on each region, a channel of its own for each place of the grid."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._rois import check_region_shapes, read_regions, rounded, with_nearest_items
from caffelike.registry import register


@register("PSROIPooling", param="psroi_pooling_param")
class PSROIPooling(Layer):
    """Position-sensitive pooling: cell (i, j) of class d is a mean of channel (d group_size + i) group_size + j.

    bottoms: x (N, output_dim * group_size^2, H, W); rois (R, 5): item of the batch, x1, y1, x2, y2 in pixels of the
        net's input, corners included. tops: y (R, output_dim, group_size, group_size).
    output_dim, group_size, spatial_scale (pixels of x for a pixel of the input): required.
    A region begins at round(x1) scale and ends at (round(x2) + 1) scale, at least 0.1 further on. Its cells cover rows
    floor(begin + i size / n) to ceil(begin + (i + 1) size / n), cut to the image; a cell without pixels gives 0.
    Gradient: in equal parts to the pixels of the cell; none to rois.
    Errors: DataError for a region of an item that is not there; ShapeError; ModelError for sizes below 1.
    Source: Dai et al., "R-FCN", NIPS 2016, and its fork of Caffe.
    """

    bottoms = ("x", "rois")
    no_gradient = ("rois",)
    backward_reads = ("rois",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the sizes."""
        if p.output_dim < 1 or p.group_size < 1 or not p.spatial_scale > 0:
            raise self.fail("needs output_dim and group_size of at least 1, and a spatial_scale above 0.", ModelError)
        self._classes = int(p.output_dim)
        self.options = {"group_size": int(p.group_size), "spatial_scale": float(p.spatial_scale)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(R, output_dim, group_size, group_size)."""
        x, rois = shapes
        check_region_shapes(self, x, rois)
        group = self.options["group_size"]
        if x[1] != self._classes * group * group:
            raise self.fail(
                f"output_dim {self._classes} and group_size {group} need {self._classes * group * group} channels, but"
                f" '{self.message.bottom[0]}' is {x}."
            )
        return [(rois[0], self._classes, group, group)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """What the regions say."""
        return Sees.UNKNOWN


def forward_made_up(x: np.ndarray, rois: np.ndarray, y: np.ndarray, group_size: int, spatial_scale: float) -> None:
    """For regions of items that are not there, where nobody gave them in earnest: those of the nearest item."""
    forward(x, with_nearest_items(rois, x.shape[0]), y, group_size, spatial_scale)


def forward(x: np.ndarray, rois: np.ndarray, y: np.ndarray, group_size: int, spatial_scale: float) -> None:
    """The mean of a cell of all classes at a time."""
    for r, i, j, channels, item, rows, columns in _cells(x.shape, rois, group_size, spatial_scale):
        cell = x[item, channels, rows, columns]
        y[r, :, i, j] = cell.mean(axis=(1, 2)) if cell.shape[1] * cell.shape[2] else 0


def backward(dy: np.ndarray, rois: np.ndarray, dx: np.ndarray, group_size: int, spatial_scale: float) -> None:
    """Each gradient in equal parts to its cell."""
    dx[...] = 0
    for r, i, j, channels, item, rows, columns in _cells(dx.shape, rois, group_size, spatial_scale):
        cell = dx[item, channels, rows, columns]
        cell += (dy[r, :, i, j] / max(1, cell.shape[1] * cell.shape[2]))[:, None, None]


def _cells(shape: Shape, rois: np.ndarray, group: int, scale: float) -> Any:
    """(region, i, j, its channels, its item, rows, columns) of each cell, in order."""
    items, boxes = read_regions(rois, shape[0])
    corners = rounded(boxes)
    begin = corners[:, :2] * np.float32(scale)
    step = np.maximum((corners[:, 2:] + 1) * np.float32(scale) - begin, np.float32(0.1)) / np.float32(group)
    for r, item in enumerate(items):
        columns, rows = (_spans(begin[r, a], step[r, a], group, shape[3 - a]) for a in (0, 1))
        for i in range(group):
            for j in range(group):
                channels = slice(i * group + j, None, group * group)
                yield r, i, j, channels, item, rows[i], columns[j]


def _spans(begin: np.float32, step: np.float32, count: int, size: int) -> list[slice]:
    """The cells of an axis."""
    index = np.arange(count, dtype=np.float32)
    low = np.clip(np.floor(index * step + begin), 0, size).astype(np.int64)
    high = np.clip(np.ceil((index + np.float32(1)) * step + begin), 0, size).astype(np.int64)
    return [slice(a, max(a, b)) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
