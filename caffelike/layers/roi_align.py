"""ROIAlign: means of interpolated values in a grid over each region of interest, nothing rounded."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._rois import bilinear, check_region_shapes, pooled_sizes, read_regions, with_nearest_items
from caffelike.registry import register


@register("ROIAlign", param="roi_align_param")
class ROIAlign(Layer):
    """Cell (i, j) of a region is the mean of x at a grid of places inside it, interpolated bilinearly.

    bottoms: x (N, C, H, W); rois (R, 5): item of the batch, x1, y1, x2, y2 in pixels of the net's input.
        tops: y (R, C, pooled_h, pooled_w).
    pooled_h, pooled_w: required. spatial_scale 1: pixels of x for a pixel of the input.
    Nothing is rounded: a region begins at x1 scale and is (x2 - x1) scale wide, at least 1. A cell has
    ceil(height / pooled_h) x ceil(width / pooled_w) places, evenly spaced; between the border and 1 pixel beyond it
    a place has the border's value, further out it is 0.
    Some forks take the largest of four places instead of the mean; their definitions look alike, their numbers
    do not.
    Gradient: to the pixels, by their weights; none to rois.
    Errors: DataError for a region of an item that is not there; ShapeError; ModelError for sizes of 0.
    Source: He et al., "Mask R-CNN", ICCV 2017, as Detectron and torchvision compute it (aligned false).
    """

    bottoms = ("x", "rois")
    no_gradient = ("rois",)
    backward_reads = ("rois",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the sizes."""
        self.options = pooled_sizes(self, p) | {"spatial_scale": float(p.spatial_scale)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(R, C, pooled_h, pooled_w)."""
        x, rois = shapes
        check_region_shapes(self, x, rois)
        return [(rois[0], x[1], self.options["pooled_h"], self.options["pooled_w"])]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """What the regions say."""
        return Sees.UNKNOWN


def forward_made_up(
    x: np.ndarray, rois: np.ndarray, y: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float
) -> None:
    """For regions of items that are not there, where nobody gave them in earnest: those of the nearest item."""
    forward(x, with_nearest_items(rois, x.shape[0]), y, pooled_h, pooled_w, spatial_scale)


def forward(x: np.ndarray, rois: np.ndarray, y: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """Places lie on a grid, so that rows and columns are weighted one after the other: y = A x B'."""
    for r, (item, rows, columns) in enumerate(_weights(x.shape, rois, pooled_h, pooled_w, spatial_scale)):
        y[r] = rows.astype(x.dtype) @ x[item] @ columns.astype(x.dtype).T


def backward(
    dy: np.ndarray, rois: np.ndarray, dx: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float
) -> None:
    """dx = A' dy B, added up over an image's regions."""
    dx[...] = 0
    for r, (item, rows, columns) in enumerate(_weights(dx.shape, rois, pooled_h, pooled_w, spatial_scale)):
        dx[item] += rows.T.astype(dx.dtype) @ dy[r] @ columns.astype(dx.dtype)


def _weights(shape: Shape, rois: np.ndarray, pooled_h: int, pooled_w: int, scale: float) -> Any:
    """Each region's item, and the weights of rows (pooled_h, H) and of columns (pooled_w, W)."""
    items, boxes = read_regions(rois, shape[0])
    boxes = boxes * np.float32(scale)
    for item, (x1, y1, x2, y2) in zip(items, boxes, strict=True):
        yield item, _axis(y1, y2, pooled_h, shape[2]), _axis(x1, x2, pooled_w, shape[3])


def _axis(begin: np.float32, end: np.float32, count: int, size: int) -> np.ndarray:
    """The mean weights (count, size) of an axis's pixels in each of its cells."""
    length = np.maximum(end - begin, np.float32(1))
    step = length / np.float32(count)
    places = int(np.ceil(step))
    inside = (np.arange(places, dtype=np.float32) + np.float32(0.5)) * (step / np.float32(places))
    at = begin + np.arange(count, dtype=np.float32)[:, None] * step + inside
    return bilinear(at, size, 1.0).mean(axis=1)
