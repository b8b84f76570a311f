"""What layers over regions of interest share: checking them, and sampling images bilinearly at a grid of places."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError, ModelError
from caffelike.layer import Layer, Shape


def check_region_shapes(layer: Layer, x: Shape, rois: Shape) -> None:
    """Raise ShapeError unless x is (N, C, H, W) and rois (R, 5), perhaps with axes of 1 behind."""
    if len(x) != 4:
        raise layer.fail(f"needs images of 4 axes (N, C, H, W), but '{layer.message.bottom[0]}' is {x}.")
    if len(rois) < 2 or rois[1] != 5 or any(n != 1 for n in rois[2:]):
        raise layer.fail(
            f"needs regions (R, 5): item, x1, y1, x2, y2; but '{layer.message.bottom[1]}' is {rois}.",
        )


def pooled_sizes(layer: Layer, p: Any) -> dict[str, int]:
    """The options pooled_h and pooled_w. Raises ModelError where one is not at least 1."""
    sizes = [int(n) for n in getattr(p, "pooled_size", ())] or [int(p.pooled_h), int(p.pooled_w)]
    if len(sizes) != 2 or min(sizes) < 1:
        raise layer.fail(f"pooled_h and pooled_w must be at least 1, but they are {sizes}.", ModelError)
    return dict(zip(("pooled_h", "pooled_w"), sizes, strict=True))


def read_regions(rois: np.ndarray, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Each region's item, and its corners (R, 4) in float32. Raises LabelError for an item the batch does not have."""
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
    return flat[:, 0].astype(np.int64), flat[:, 1:]


def with_nearest_items(rois: np.ndarray, items: int) -> np.ndarray:
    """Regions that belong to items of the batch, for `forward_made_up`: numbers nobody gave in earnest."""
    moved = rois.copy()
    first = moved.reshape(-1, 5)[:, 0]
    first[...] = np.clip(np.nan_to_num(np.trunc(first)), 0, items - 1)
    return moved


def rounded(values: np.ndarray) -> np.ndarray:
    """To the nearest whole number, halves away from zero as C rounds."""
    return np.trunc(values + np.copysign(values.dtype.type(0.5), values))


def bilinear(places: np.ndarray, size: int, reach: float) -> np.ndarray:
    """Weights (..., size) of an axis's pixels at `places`: linear between two pixels, the border's own beyond it.

    All are 0 for a place more than `reach` before pixel 0 or behind pixel size - 1.
    """
    weights = np.zeros((*places.shape, size), places.dtype)
    inside = (places >= -reach) & (places <= size - 1 + reach)
    at = np.clip(np.where(inside, places, 0), 0, size - 1)
    low = np.floor(at).astype(np.int64)
    part = (at - low).astype(places.dtype)
    flat, rows = weights.reshape(-1, size), np.arange(places.size)
    flat[rows, low.reshape(-1)] += ((1 - part) * inside).reshape(-1)
    flat[rows, np.minimum(low + 1, size - 1).reshape(-1)] += (part * inside).reshape(-1)
    return weights
