"""ROIWarping: each region of interest interpolated to one size, with a gradient to its corners."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._rois import bilinear, check_region_shapes, pooled_sizes, read_regions, rounded
from caffelike.registry import register


@register("ROIWarping", param="roi_warping_param", names=["RegionWarp"])
class ROIWarping(Layer):
    """Cell (i, j) of a region is x interpolated bilinearly at its begin + (i height / pooled_h, j width / pooled_w).

    bottoms: x (N, C, H, W); rois (R, 5): item of the batch, x1, y1, x2, y2 in pixels of the net's input. tops: y (R, C,
        pooled_h, pooled_w).
    pooled_h, pooled_w: required; pooled_size: both in one list. spatial_scale 1: pixels of x for one of the input.
    A region begins at round(x1 scale) and ends at round(x2 scale), at least 0 further on; halves are rounded away from
    0. A place more than half a pixel outside the image is 0, closer to it the border's value.
    Gradient: to the pixels, by their weights. To rois as if nothing were rounded: x1 has the share 1 - j / pooled_w,
        x2 the share j / pooled_w of each place's slope in x; none to the item. (MNC counts j from a region one pixel
        wider, and so hands out slightly different shares.)
    Errors: DataError for a region of an item that is not there; ShapeError; ModelError for sizes of 0.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    bottoms = ("x", "rois")
    backward_reads = ("x", "rois")

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


def forward(x: np.ndarray, rois: np.ndarray, y: np.ndarray, pooled_h: int, pooled_w: int, spatial_scale: float) -> None:
    """Rows and columns are weighted one after the other: y = A x B'."""
    for r, (item, rows, columns) in enumerate(_places(x.shape, rois, pooled_h, pooled_w, spatial_scale)):
        weights = (bilinear(at, n, 0.5).astype(x.dtype) for at, n in zip((rows, columns), x.shape[2:], strict=True))
        a, b = weights
        y[r] = a @ x[item] @ b.T


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    rois: np.ndarray,
    dx: np.ndarray | None,
    drois: np.ndarray | None,
    pooled_h: int,
    pooled_w: int,
    spatial_scale: float,
) -> None:
    """dx = A' dy B, added up over an image's regions; the slopes of A and B carry the corners' gradients."""
    if dx is not None:
        dx[...] = 0
    corners = np.zeros((dy.shape[0], 5), dy.dtype)
    shares = [np.arange(n, dtype=dy.dtype) / n for n in (pooled_h, pooled_w)]
    for r, (item, rows, columns) in enumerate(_places(x.shape, rois, pooled_h, pooled_w, spatial_scale)):
        places = tuple(zip((rows, columns), x.shape[2:], strict=True))
        a, b = (bilinear(at, n, 0.5).astype(dy.dtype) for at, n in places)
        if dx is not None:
            dx[item] += a.T @ dy[r] @ b
        if drois is not None:
            slope_a, slope_b = (_slopes(at, n).astype(dy.dtype) for at, n in places)
            along_y = (dy[r] * (slope_a @ x[item] @ b.T)).sum(axis=(0, 2))
            along_x = (dy[r] * (a @ x[item] @ slope_b.T)).sum(axis=(0, 1))
            for axis, along, share in ((1, along_x, shares[1]), (2, along_y, shares[0])):
                corners[r, axis] = spatial_scale * (along * (1 - share)).sum()
                corners[r, axis + 2] = spatial_scale * (along * share).sum()
    if drois is not None:
        drois[...] = corners.reshape(drois.shape)


def _places(shape: Shape, rois: np.ndarray, pooled_h: int, pooled_w: int, scale: float) -> Any:
    """Each region's item, and where its rows and columns lie."""
    items, boxes = read_regions(rois, shape[0])
    for item, (x1, y1, x2, y2) in zip(items, rounded(boxes * np.float32(scale)), strict=True):
        yield (
            item,
            *(
                begin + np.arange(n, dtype=np.float32) * (max(end - begin, np.float32(0)) / np.float32(n))
                for begin, end, n in ((y1, y2, pooled_h), (x1, x2, pooled_w))
            ),
        )


def _slopes(places: np.ndarray, size: int) -> np.ndarray:
    """The derivatives (n, size) of `bilinear` by its places: of the two pixels around one; 0 outside."""
    slopes = np.zeros((len(places), size), places.dtype)
    inside = np.flatnonzero((places >= -0.5) & (places < size - 1))
    low = np.maximum(places[inside], 0).astype(np.int64)
    slopes[inside, low] = -1
    slopes[inside, low + 1] = 1
    return slopes
