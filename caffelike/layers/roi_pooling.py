"""ROIPooling: the largest values in a grid over each region of interest."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._rois import check_region_shapes, pooled_sizes, read_regions, rounded, with_nearest_items
from caffelike.registry import register

_FLT_MAX = float(np.finfo(np.float32).max)


@register("ROIPooling", param="roi_pooling_param")
class ROIPooling(Layer):
    """Cuts each region out of its image and pools it by MAX to pooled_h x pooled_w.

    bottoms: x (N, C, H, W); rois (R, 5): item of the batch, x1, y1, x2, y2 in pixels of the net's input, corners
        included. tops: y (R, C, pooled_h, pooled_w).
    pooled_h, pooled_w: required; pooled_size: both in one list. spatial_scale 1: pixels of x for a pixel of the input.
    A region's corners are scaled, then rounded (halves away from 0); it is at least 1 x 1. Cell i of n covers rows
    floor(i size / n) to ceil((i + 1) size / n), so that cells overlap; a cell outside the image gives 0. Of equal
    values the first is taken, NaN never.
    Gradient: to the values taken; none to rois.
    Errors: DataError for a region of an item that is not there, ShapeError, ModelError for sizes of 0.
    Source: Girshick, "Fast R-CNN", ICCV 2015, and its fork of Caffe.
    """

    bottoms = ("x", "rois")
    no_gradient = ("rois",)
    backward_reads = ("rois", "argmax")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the sizes."""
        self.options = pooled_sizes(self, p) | {"spatial_scale": float(p.spatial_scale)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(R, C, pooled_h, pooled_w)."""
        x, rois = shapes
        check_region_shapes(self, x, rois)
        top = (rois[0], x[1], self.options["pooled_h"], self.options["pooled_w"])
        self.keep("argmax", top, np.int32)
        return [top]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """What the regions say."""
        return Sees.UNKNOWN


def forward_made_up(
    x: np.ndarray, rois: np.ndarray, y: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float
) -> None:
    """For regions of items that are not there, where nobody gave them in earnest: those of the nearest item."""
    forward(x, with_nearest_items(rois, x.shape[0]), y, None, pooled_h, pooled_w, spatial_scale)


def forward(
    x: np.ndarray,
    rois: np.ndarray,
    y: np.ndarray,
    argmax: np.ndarray | None,
    pooled_h: int,
    pooled_w: int,
    spatial_scale: float,
) -> None:
    """A cell of all channels at a time."""
    items, boxes = read_regions(rois, x.shape[0])
    corners = rounded(boxes * np.float32(spatial_scale)).astype(np.int64)
    width = x.shape[3]
    for r, (item, (x1, y1, x2, y2)) in enumerate(zip(items, corners, strict=True)):
        rows, columns = cells(y1, y2, pooled_h, x.shape[2]), cells(x1, x2, pooled_w, width)
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(columns):
                if bottom <= top or right <= left:
                    y[r, :, i, j] = 0
                    if argmax is not None:
                        argmax[r, :, i, j] = -1
                    continue
                cell = x[item, :, top:bottom, left:right].reshape(x.shape[1], -1)
                cell = np.where(np.isnan(cell), -np.inf, cell)
                best = cell.argmax(axis=1)
                values = np.take_along_axis(cell, best[:, None], 1)[:, 0]
                none = ~(values > -_FLT_MAX)
                y[r, :, i, j] = np.where(none, -_FLT_MAX, values)
                if argmax is not None:
                    index = (top + best // (right - left)) * width + left + best % (right - left)
                    argmax[r, :, i, j] = np.where(none, -1, index)


def backward(dy: np.ndarray, rois: np.ndarray, argmax: np.ndarray, dx: np.ndarray) -> None:
    """Each gradient to the value taken."""
    dx[...] = 0
    items, _ = read_regions(rois, dx.shape[0])
    planes = items[:, None] * dx.shape[1] + np.arange(dx.shape[1])
    index = planes[:, :, None, None] * (dx.shape[2] * dx.shape[3]) + argmax
    taken = argmax >= 0
    np.add.at(dx.reshape(-1), index[taken], dy[taken])


def cells(first: int, last: int, count: int, size: int) -> list[tuple[int, int]]:
    """(begin, end) of each cell of an axis, cut to the image."""
    step = np.float32(max(last - first + 1, 1)) / np.float32(count)
    index = np.arange(count, dtype=np.float32)
    begin = np.floor(index * step).astype(np.int64) + first
    end = np.ceil((index + np.float32(1)) * step).astype(np.int64) + first
    return list(zip(np.clip(begin, 0, size).tolist(), np.clip(end, 0, size).tolist(), strict=True))
